"""Which job is next, and what a pipeline amounts to. Pure over the records.

https://docs.gitlab.com/ci/yaml/#stages, /#needs, /#when
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cicd.sandbox.gitlab.ci_values import CiFile, JobSpec, Situation, first_match
from cicd.sandbox.gitlab.model import Job, Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job that belongs to the pipeline, after its rules."""

    spec: JobSpec
    when: str
    allow_failure: bool
    variables: dict[str, str]


def plan_jobs(ci: CiFile, situation: Situation) -> tuple[PlannedJob, ...]:
    """The jobs of a pipeline in file order; none when the workflow or all rules say no.

    A job without rules stays out of merge request pipelines unless the file has workflow rules.
    """
    source = situation.variables.get("CI_PIPELINE_SOURCE")
    if ci.workflow is not None:
        matched = first_match(ci.workflow, situation)
        if matched is None or matched.when == "never":
            return ()
    planned = []
    for spec in ci.jobs:
        job = _plan_job(
            spec, ci, situation, default_included=ci.workflow is not None or source != "merge_request_event"
        )
        if job is not None:
            planned.append(job)
    return tuple(planned)


def _plan_job(spec: JobSpec, ci: CiFile, situation: Situation, *, default_included: bool) -> PlannedJob | None:
    if spec.rules is None:
        if not default_included or spec.when == "never":
            return None
        return PlannedJob(spec=spec, when=spec.when, allow_failure=spec.allow_failure, variables={})
    own = {**ci.variables, **spec.variables, **situation.variables}
    rule = first_match(spec.rules, Situation(variables=own, changed=situation.changed, files=situation.files))
    when = (rule.when or spec.when) if rule else "never"
    if rule is None or when == "never":
        return None
    allow = spec.allow_failure if rule.allow_failure is None else rule.allow_failure
    return PlannedJob(spec=spec, when=when, allow_failure=allow, variables=dict(rule.variables))


def next_job(pipeline: Pipeline) -> Job | None:
    """The next job to run; jobs that can never run any more are marked `skipped`, manual ones `manual`, on the way."""
    current = [job for job in pipeline.jobs if not job.retried and not job.external]
    for job in sorted(current, key=lambda item: pipeline.stages.index(item.stage)):
        if job.status != "created":
            continue
        before = _before(job, current, pipeline.stages)
        if any(not other.finished for other in before):
            continue
        failed = any(_blocks(other) for other in before)
        when = _when(job)
        if when == "manual":
            job.status = "manual"
        elif when == "always" or (when == "on_failure") is failed:
            return job
        else:
            job.status = "skipped"
    return None


def _when(job: Job) -> str:
    return job.spec.when if job.spec else "on_success"


def _before(job: Job, jobs: Sequence[Job], stages: Sequence[str]) -> list[Job]:
    if job.spec is not None and job.spec.needs is not None:
        return [other for other in jobs if other.name in job.spec.needs]
    place = stages.index(job.stage)
    return [other for other in jobs if stages.index(other.stage) < place]


def _blocks(job: Job) -> bool:
    """Whether a finished job keeps what comes after it from running."""
    if job.status == "manual":
        return not job.allow_failure
    return job.status in ("failed", "canceled", "skipped") and not job.allow_failure


def pipeline_status(jobs: Iterable[Job]) -> str:
    """The status of a pipeline from the latest try of each job; external statuses count like jobs."""
    current = [job for job in jobs if not job.retried]
    seen = {job.status for job in current if not (job.allow_failure and job.status in ("failed", "manual", "canceled"))}
    unfinished = seen & {"running", "pending", "created"}
    if unfinished:
        begun = "running" in seen or bool(seen - unfinished)
        return "running" if begun else "pending" if "pending" in seen else "created"
    for status in ("failed", "canceled", "manual"):
        if status in seen:
            return status
    return "skipped" if not current or seen == {"skipped"} else "success"
