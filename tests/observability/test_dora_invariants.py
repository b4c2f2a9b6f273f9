"""Whatever the order, the repetition and the split of a stream: the report is the same, byte for byte."""

from __future__ import annotations

import json
import random
import tempfile
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from headgate.clock import parse_timestamp
from observability.blends import by_environment, by_team
from observability.compare import compare, compare_data
from observability.dora import Period, evaluate_dora
from observability.dora_report import to_data
from observability.dora_tables import to_csv, to_markdown
from observability.environments import is_production
from observability.event_files import parse_line
from observability.report_schema import report_schema
from observability.series import series
from observability.store import open_store
from tests.observability.dora_cases.case import at

PERIOD = Period(start=parse_timestamp(at("03T00")), end=parse_timestamp(at("09T00")))
BEFORE = Period(start=parse_timestamp(at("01T00")), end=PERIOD.start)
SCHEMA = Draft202012Validator(report_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

some = st.sampled_from
times = st.builds(lambda day, hour: at(f"{day:02}T{hour:02}"), st.integers(1, 10), st.integers(0, 23))
shas = some(["c1", "c2", "c3", "c4"])
commits = st.fixed_dictionaries({"sha": shas}, optional={"time": times, "original": shas, "reverts": shas})


def optional(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return fields


deployments = st.fixed_dictionaries(
    {
        "type": st.just("deployment"),
        "id": some(["d1", "d2", "d3", "d4"]),
        "environment": some(["production", "staging"]),
        "at": times,
    },
    optional=optional(
        status=some(["success", "failed", "error", "canceled", "running", "rolled_back"]),
        commits=st.lists(commits, max_size=3),
        version=some(["1", "2"]),
        changes=st.lists(some(["!1", "!2"]), max_size=2),
        retry_of=some(["d1", "d2"]),
        run=some(["7", "8"]),
        rollback_of=some(["d1", "d2"]),
        hotfix=st.booleans(),
        fixes=some(["i1"]),
        team=some(["red", "blue"]),
        rolled_back_at=times,
    ),
)
incidents = st.fixed_dictionaries(
    {"type": st.just("incident"), "id": some(["i1", "i2"]), "started_at": times},
    optional=optional(resolved_at=times, environment=some(["production"]), deployment=some(["d1", "d2"]), commit=shas),
)
changes = st.fixed_dictionaries(
    {
        "type": st.just("change"),
        "id": some(["!1", "!2"]),
        "merged_at": times,
        "commits": st.lists(commits, min_size=1, max_size=3),
    },
    optional=optional(squash_commit=some(["s1", "c1"])),
)
streams = st.lists(st.one_of(deployments, incidents, changes), max_size=12)


def of_service(records: list[dict[str, Any]], service: str) -> list[dict[str, Any]]:
    return [{**record, "service": service} for record in records]


def events_of(records: list[dict[str, Any]]) -> list[Any]:
    return [event for record in records for event in parse_line(record, "line").events]


def report_bytes(events: list[Any]) -> tuple[str, str, str]:
    report = evaluate_dora(events, PERIOD, wanted=lambda _, environment: is_production(environment))
    mixed = (*by_team(report), *by_environment(report))
    parts = {(f.service, f.environment): series(f, PERIOD, "week") for f in report.services}
    data = to_data(report, blends=mixed, series=parts)
    before = evaluate_dora(events, BEFORE, wanted=lambda _, environment: is_production(environment))
    data["comparison"] = compare_data(before, report, compare(before, report, seed=1), seed=1)
    SCHEMA.validate(data)
    return json.dumps(data), to_csv(report, mixed), to_markdown(report, mixed)


@FEW
@given(records=streams, seed=st.integers(), twice=st.integers(0, 6))
def test_any_order_and_repetition(records: list[dict[str, Any]], seed: int, twice: int) -> None:
    events = events_of(of_service(records, "shop"))
    shuffled = [*events, *events[:twice]]
    random.Random(seed).shuffle(shuffled)
    assert report_bytes(shuffled) == report_bytes(events)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records=streams, seed=st.integers(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_any_split_of_the_stream_through_the_store(records: list[dict[str, Any]], seed: int, cuts: list[int]) -> None:
    """Batches that overlap and come in any order leave a log that gives the same report."""
    source = random.Random(seed)
    events = events_of(of_service(records, "shop"))
    parts = [events[start:] for start in [0, *cuts]]
    source.shuffle(parts)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/events.db")
        for part in parts:
            source.shuffle(part)
            store.append(part)
        assert report_bytes(list(store.read())) == report_bytes(events)


@FEW
@given(records=streams, strangers=streams)
def test_an_unrelated_service_changes_nothing(records: list[dict[str, Any]], strangers: list[dict[str, Any]]) -> None:
    """Even one whose deployments, incidents and merge requests have the same ids; its commits are its own."""
    text = json.dumps(of_service(strangers, "other"))
    for sha in ("c1", "c2", "c3", "c4", "s1"):
        text = text.replace(f'"{sha}"', f'"other-{sha}"')
    alone = evaluate_dora(events_of(of_service(records, "shop")), PERIOD)
    mixed = evaluate_dora(events_of(of_service(records, "shop") + json.loads(text)), PERIOD)
    assert tuple(found for found in mixed.services if found.service == "shop") == alone.services
    assert [i for i in mixed.unattributed if i.service == "shop"] == list(alone.unattributed)


@FEW
@given(records=streams)
def test_the_numbers_are_coherent(records: list[dict[str, Any]]) -> None:
    report = evaluate_dora(events_of(of_service(records, "shop")), PERIOD)
    for found in report.services:
        assert found.failed_deployment_recovery_time.applicable == found.change_fail_rate.numerator
        lead = found.change_lead_time
        assert lead.n + sum(count for _, count in lead.excluded) == len(found.changes)
        assert all(c.lead_time is None or c.lead_time.total_seconds() >= 0 for c in found.changes)
        parts = series(found, PERIOD, "day")
        assert sum(part.deployment_frequency.n for part in parts) == found.deployment_frequency.n
        assert sum(part.change_lead_time.n for part in parts) == lead.n
