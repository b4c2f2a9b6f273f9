"""Our engine on the same cases: all cases on one table are suites of one run, as users have them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gates.quality.engines.port import Batch
from gates.quality.result_format import parse_result_format
from gates.quality.session import Job, Judged, run_suites
from gates.quality.suite import parse_suite
from headgate.errors import ConfigError
from tests.gates.quality.parity.cases import Case

NOT_PLANNED = "not planned"


def judge(cases: Sequence[Case], open_batch: Callable[[str], Batch]) -> dict[str, dict[str, Any]]:
    """Our finding on each case, by its id, in the oracle's form. What goes to the fallback is `refused` as such."""
    by_table: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_table[case.table].append(case)
    found: dict[str, dict[str, Any]] = {}
    for table, group in by_table.items():
        batch = open_batch(table)
        try:
            found |= _judge_table(group, batch)
        finally:
            batch.close()
    return found


def _judge_table(cases: Iterable[Case], batch: Batch) -> dict[str, dict[str, Any]]:
    suites: dict[str, list[Case]] = defaultdict(list)
    found: dict[str, dict[str, Any]] = {}
    for case in cases:
        try:
            parse_suite(_suite([case]), "suite.json")
        except ConfigError as error:
            found[case.id] = {"refused": str(error)}
        else:
            suites[json.dumps([case.result_format, case.parameters], default=dict)].append(case)
    groups = list(suites.values())
    jobs = [_job(group) for group in groups]
    for group, findings in zip(groups, run_suites(jobs, batch), strict=True):
        found |= {case.id: _answer(judged) for case, judged in zip(group, findings.judged, strict=True)}
    return found


def _job(group: Sequence[Case]) -> Job:
    return Job(
        suite=parse_suite(_suite(group), "suite.json"),
        result_format=parse_result_format(group[0].result_format),
        parameters=dict(group[0].parameters),
    )


def _suite(cases: Sequence[Case]) -> bytes:
    entries = [{"type": case.type, "kwargs": case.kwargs} for case in cases]
    return json.dumps({"name": "suite", "expectations": entries}, default=dict).encode()


def _answer(judged: Judged) -> dict[str, Any]:
    if judged.reason:
        return {"refused": f"{NOT_PLANNED}: {judged.reason}"}
    finding = judged.finding
    return {"success": finding.success, "result": dict(finding.result), "raised": finding.raised}


def not_planned(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The cases that go to the fallback, each with the reason."""
    return {
        name: answer["refused"]
        for name, answer in answers.items()
        if str(answer.get("refused", "")).startswith(NOT_PLANNED)
    }
