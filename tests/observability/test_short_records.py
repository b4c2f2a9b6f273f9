"""Short records: many spellings, one meaning; what is wrong is named with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from headgate.errors import ConfigError
from observability.event_files import read_events
from observability.events import DeliveryEvent, Kind
from observability.short_fields import FIELDS
from observability.short_records import Defaults
from observability.short_schema import line_schema, record_schema
from tests.observability.test_dora_cases import CASES

LINE = Draft202012Validator(line_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
DEPLOYMENT: dict[str, Any] = {
    "type": "deployment",
    "id": "d1",
    "service": "shop",
    "environment": "production",
    "deployed_at": "2026-03-02T10:00:00Z",
}
INCIDENT: dict[str, Any] = {"type": "incident", "id": "i1", "service": "shop", "started_at": "2026-03-02T10:00:00Z"}


def read(*records: Any, defaults: Defaults | None = None) -> list[DeliveryEvent]:
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    return [event for line in read_events(lines, "f.jsonl", defaults) for event in line.events]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_record_of_the_cases_is_valid_under_its_schema(case: Any) -> None:
    for record in case.records:
        said = {key: value for key, value in record.items() if value is not None}
        LINE.validate(said)
        own = record_schema(said["type"])
        Draft202012Validator(own, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(said)


@pytest.mark.parametrize("kind", FIELDS)
def test_schemas_are_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(record_schema(kind))
    Draft202012Validator.check_schema(line_schema())


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "deployment", **{k: v for k, v in DEPLOYMENT.items() if k != "type"}},
        {"Type": "Deploy", **{k: v for k, v in DEPLOYMENT.items() if k != "type"}},
        {**DEPLOYMENT, "status": "SUCCEEDED"},
        {**DEPLOYMENT, "state": "success", "outcome": ""},
        {"type": "deployment", "deployment_id": "d1", "app": "shop", "env": "production", "finishedAt": "2026-03-02T10:00:00Z"},
        {**DEPLOYMENT, "deployed_at": "2026-03-02T12:00:00+02:00"},
        {**DEPLOYMENT, "created_at": "2026-03-01T00:00:00Z"},
        {**{k: v for k, v in DEPLOYMENT.items() if k != "deployed_at"}, "at": "2026-03-02 10:00:00+00:00"},
        {**DEPLOYMENT, "service": {"id": "shop"}, "environment": ["production"]},
    ],
)  # fmt: skip
def test_spellings_mean_the_same(record: dict[str, Any]) -> None:
    (event,) = read(record)
    (plain,) = read({**DEPLOYMENT, "status": "success"})
    assert (event.kind, event.release, event.service, event.environment) == (plain.kind, "d1", "shop", "production")
    assert event.occurred_at == plain.occurred_at
    assert event.outcome == "success"


def test_commits_in_many_forms() -> None:
    forms: list[dict[str, Any]] = [
        {"commits": ["c1"], "committed_at": None},
        {"commit": "c1"},
        {"sha": "c1"},
        {"commits": [{"id": "c1", "timestamp": "2026-03-02T08:00:00Z"}]},
        {"commit": {"sha": "c1", "date": "2026-03-02T08:00:00Z"}},
        {"commits": [{"sha": "C1" * 20}], "sha": "c1" * 20},
    ]
    assert [read({**DEPLOYMENT, **form})[0].commit for form in forms] == ["c1"] * 5 + ["c1" * 20]


def test_defaults_stand_in_for_what_is_not_said() -> None:
    bare = {key: value for key, value in DEPLOYMENT.items() if key not in ("service", "environment")}
    (event,) = read(bare, defaults=Defaults(service="cart", environment="live"))
    assert (event.service, event.environment) == ("cart", "live")
    (said,) = read(DEPLOYMENT, defaults=Defaults(service="cart", environment="live"))
    assert (said.service, said.environment) == ("shop", "production")


def test_other_keys_are_kept() -> None:
    (event,) = read({**DEPLOYMENT, "author": "ana", "score": 3, "nested": {"x": 1}, "data": {"ticket": "T-1"}})
    assert event.data == {"author": "ana", "score": 3, "ticket": "T-1"}


def test_ids_follow_from_what_is_said() -> None:
    (one,), (same,), (more,) = (
        read(DEPLOYMENT),
        read(dict(reversed(DEPLOYMENT.items()))),
        read({**DEPLOYMENT, "url": "x"}),
    )
    assert one == same
    assert one.id != more.id
    assert one.release == more.release


def test_an_incident_with_both_times_is_two_events() -> None:
    kinds = [event.kind for event in read({**INCIDENT, "resolved_at": "2026-03-02T11:00:00Z"})]
    assert kinds == [Kind.INCIDENT_DETECTED, Kind.INCIDENT_RESOLVED]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({**DEPLOYMENT, "deployed_at": "2026-03-02T10:00:00"}, "deployed_at: timestamp '2026-03-02T10:00:00' has no UTC offset"),
        ({**DEPLOYMENT, "deployed_at": "yesterday"}, "deployed_at"),
        ({**DEPLOYMENT, "deployed_at": 1772445600}, "write times as text"),
        ({**DEPLOYMENT, "deployed_at": "0001-01-01T00:00:00+14:00"}, "deployed_at"),
        ({k: v for k, v in DEPLOYMENT.items() if k != "deployed_at"}, "the time is missing; write deployed_at"),
        ({k: v for k, v in DEPLOYMENT.items() if k != "id"}, "id is missing"),
        ({**DEPLOYMENT, "id": True}, "id has to be one text"),
        ({**DEPLOYMENT, "id": "a\nb"}, "printable"),
        ({k: v for k, v in DEPLOYMENT.items() if k != "service"}, "service is missing; --service gives one for all"),
        ({k: v for k, v in DEPLOYMENT.items() if k != "environment"}, "environment is missing; --environment"),
        ({**DEPLOYMENT, "status": "meh"}, "status 'meh' is not known; known are aborted"),
        ({**DEPLOYMENT, "comits": ["c1"]}, "the key 'comits' is not known; 'commits' is"),
        ({**DEPLOYMENT, "commits": [{"time": "2026-03-02T10:00:00Z"}]}, "commits[0]: has no sha"),
        ({**DEPLOYMENT, "commits": ["c1", 7]}, "commits[1]: a commit is text or an object"),
        ({**DEPLOYMENT, "commits": [{"sha": "c1", "time": "noon"}]}, "commits[0]"),
        ({**DEPLOYMENT, "commits": [{"sha": "c1", "time": "2026-03-02T10:00:00"}]}, "no UTC offset"),
        ({**DEPLOYMENT, "commits": ["two words"]}, "one word of text"),
        ({**DEPLOYMENT, "commits": ["a", "b"], "committed_at": "2026-03-02T10:00:00Z"}, "give each of them its own"),
        ({**DEPLOYMENT, "changes": [True]}, "changes is a list of ids"),
        ({**DEPLOYMENT, "hotfix": "maybe"}, "hotfix has to be true or false"),
        ({**DEPLOYMENT, "data": 7}, "data has to be an object"),
        ({**DEPLOYMENT, "deployedAt": "2026-03-03T10:00:00Z"}, "there twice"),
        ({**INCIDENT, "status": "resolved"}, "resolved_at is missing"),
        ({**INCIDENT, "status": "open", "resolved_at": "2026-03-02T11:00:00Z"}, "the status says it is open"),
        ({"type": "incident", "id": "i1"}, "write started_at"),
        ({"type": "change", "merged_at": "2026-03-02T11:00:00Z"}, "id is missing"),
        ({"type": "change", "id": "!1", "services": [1], "at": "2026-03-02T11:00:00Z"}, "services is a list of names"),
        ({"type": "banana", "id": "x"}, "neither a CDEvent"),
        ({"hello": 1}, "neither a CDEvent"),
        ([], "JSON object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(record: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(DEPLOYMENT, record)
    assert words in str(caught.value)
    assert "f.jsonl:2" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"type":', "f.jsonl:1"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b'[{"type":"incident","id":"i"}]', "f.jsonl[1]"),
    ],
)
def test_broken_files(text: bytes, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(read_events([text], "f.jsonl"))
    assert words in str(caught.value)


def test_arrays_and_byte_order_marks() -> None:
    text = json.dumps([DEPLOYMENT, INCIDENT], indent=1).encode()
    found = list(read_events(text.splitlines(keepends=True), "f.json"))
    assert [len(line.events) for line in found] == [1, 1]
    marked = b"\xef\xbb\xbf" + json.dumps(DEPLOYMENT).encode()
    assert len(list(read_events([marked, b"\n", b"  \n"], "f.jsonl"))) == 1


def test_cdevents_beside_short_records() -> None:
    context = {
        "type": "dev.cdevents.build.finished.0.3.0",
        "id": "1",
        "source": "/ci",
        "timestamp": "2026-03-02T10:00:00Z",
    }
    built = {"context": context, "subject": {"id": "b"}}
    (line,) = read_events([json.dumps(built).encode()], "f.jsonl")
    assert (line.events, line.skipped) == ((), "a CDEvent from which nothing is computed")
