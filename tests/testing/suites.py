"""A `SuiteRunner` that answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gates.quality.runner import SuiteJob, SuiteResult, SuiteRunner


class CannedRunner(SuiteRunner):
    """Answers by job name; a job without an answer gets none, as from a broken engine."""

    name = "canned"

    def __init__(self, *answers: SuiteResult) -> None:
        self.answers = {answer.name: answer for answer in answers}
        self.asked: list[SuiteJob] = []

    def run(self, jobs: Sequence[SuiteJob], *, timeout_s: float) -> Mapping[str, SuiteResult]:
        self.asked.extend(jobs)
        return {job.name: self.answers[job.name] for job in jobs if job.name in self.answers}
