"""Our events against the published CDEvents 0.5.1 schemas, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from headgate.errors import ConfigError
from observability.cdevents import is_unused, parse_event, parse_event_text, to_cdevent, to_cloudevent
from observability.commits import decode_commits, decode_names
from observability.dora import Period, evaluate_dora
from observability.events import DeliveryEvent, Kind
from observability.records import OUTCOMES, parse_record, to_record
from tests.testing.delivery import at, deployed, event

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "cdevents"


def _validators() -> dict[str, Draft202012Validator]:
    schemas = [json.loads(path.read_text()) for path in SAMPLES.glob("*.json")]
    links = [json.loads(path.read_text()) for path in (SAMPLES / "links").glob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        [(link["$id"], Resource.from_contents(link, DRAFT202012)) for link in links]
    )
    return {
        schema["properties"]["context"]["properties"]["type"]["default"]: Draft202012Validator(
            schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        for schema in schemas
    }


VALIDATORS = _validators()
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
events = st.builds(
    DeliveryEvent,
    kind=st.sampled_from(list(Kind)),
    source=st.sampled_from(["/headgate", "https://ci.example.com/job/1"]),
    id=texts,
    occurred_at=moments,
    subject=texts,
    service=st.none() | texts,
    environment=st.none() | texts,
    commit=st.none() | texts,
    committed_at=st.none() | moments,
    outcome=st.sampled_from(OUTCOMES),
    change=st.none() | texts,
    release=st.none() | texts,
    url=st.none() | st.just("https://ci.example.com/1"),
    data=st.dictionaries(texts, scalars, max_size=3),
)


@given(found=events)
def test_every_event_is_valid_and_comes_back(found: DeliveryEvent) -> None:
    cdevent = to_cdevent(found)
    VALIDATORS[cdevent["context"]["type"]].validate(cdevent)
    assert parse_event_text(json.dumps(to_cloudevent(found))) == found
    assert parse_event(cdevent) == found
    assert parse_record(json.loads(json.dumps(to_record(found)))) == found


def test_every_kind_has_its_schema() -> None:
    assert {to_cdevent(event(kind, "1 09:00"))["context"]["type"] for kind in Kind} == set(VALIDATORS)


def test_the_envelope_is_a_cloudevent() -> None:
    envelope = to_cloudevent(deployed("1 09:00", "c1", release="r1"))
    assert envelope["specversion"] == "1.0"
    assert envelope["type"] == "dev.cdevents.service.upgraded.0.3.0"
    assert envelope["time"] == "2026-11-03T09:00:00Z"
    assert envelope["data"]["context"]["specversion"] == "0.5.1"
    assert envelope["data"]["subject"] == {
        "id": "shop",
        "content": {"environment": {"id": "prod"}, "artifactId": "pkg:generic/shop@c1"},
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("service_deployed", {"kind": Kind.SERVICE_DEPLOYED, "service": "mySubject123", "environment": "test123"}),
        ("service_upgraded", {"kind": Kind.SERVICE_UPGRADED, "service": "mySubject123", "environment": "test123"}),
        ("service_rolledback", {"kind": Kind.SERVICE_ROLLEDBACK, "service": "mySubject123"}),
        ("change_created", {"kind": Kind.CHANGE_CREATED, "change": "mySubject123"}),
        ("change_merged", {"kind": Kind.CHANGE_MERGED, "change": "mySubject123"}),
        ("pipelinerun_finished", {"kind": Kind.PIPELINE_FINISHED, "outcome": "failure"}),
        ("testsuiterun_finished", {"kind": Kind.GATE_FINISHED, "outcome": "failure", "environment": "dev"}),
        ("artifact_packaged", {"kind": Kind.ARTIFACT_PACKAGED, "change": "myChange123"}),
        ("artifact_published", {"kind": Kind.ARTIFACT_PUBLISHED}),
        ("incident_detected", {"kind": Kind.INCIDENT_DETECTED, "environment": "prod1"}),
        ("incident_reported", {"kind": Kind.INCIDENT_REPORTED}),
        ("incident_resolved", {"kind": Kind.INCIDENT_RESOLVED, "environment": "prod1"}),
    ],
)
def test_conformance_examples_are_read(name: str, expected: dict[str, object]) -> None:
    found = parse_event_text((SAMPLES / "conformance" / f"{name}.json").read_text())
    assert {key: getattr(found, key) for key in expected} == expected
    assert found.occurred_at.utcoffset() == timedelta(0)
    assert found.occurred_at.year in (2022, 2023)


def test_other_published_types_are_known_to_be_unused() -> None:
    signed = json.loads((SAMPLES / "conformance" / "artifact_signed.json").read_text())
    assert is_unused(signed)
    assert is_unused({"specversion": "1.0", "data": signed})
    assert not is_unused(_service_deployed())
    assert not is_unused(_service_deployed(context__type="dev.cdevents.moon.landed.0.1.0"))


def test_custom_data_lists_commits_and_changes() -> None:
    """What CDEvents has no place for, in the words of a short record."""
    custom = {"commits": ["c1", {"sha": "c2", "time": "2026-11-21T10:00:00+02:00"}], "changes": ["!1"], "release": "r1"}
    found = parse_event(_service_deployed(customData={"headgate": {**custom, "service": "shop"}}))
    assert [(c.sha, c.at) for c in decode_commits(found.data["commits"])] == [
        ("c1", None),
        ("c2", datetime(2026, 11, 21, 8, tzinfo=UTC)),
    ]
    assert decode_names(found.data["changes"]) == ("!1",)


def test_the_join_of_the_specification_finds_the_commits() -> None:
    """artifact.packaged names the change, service.deployed the artifact; the change knows its commits."""
    packaged = json.loads((SAMPLES / "conformance" / "artifact_packaged.json").read_text())
    artifact = packaged["subject"]["id"]
    merged = event(Kind.CHANGE_MERGED, "1 08:30", service=None, commit="c1", committed="1 08:00", change="myChange123")
    merged = replace(merged, data={"commits": '[{"sha":"c1","at":"2026-11-03T08:00:00Z"}]'})
    first = deployed("0 09:00", "c0", release="r0")
    second = replace(deployed("1 10:00", release="r1"), data={"artifact": artifact})
    report = evaluate_dora(
        [first, second, merged, parse_event(packaged)], Period(start=at("0 00:00"), end=at("7 00:00"))
    )
    lead = report.services[0].change_lead_time
    assert (lead.median, lead.items) == (7200, ("c1",))
    assert report.services[0].changes[1].linked_by == "artifact"


def _service_deployed(**changes: object) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((SAMPLES / "conformance" / "service_deployed.json").read_text())
    for path, value in changes.items():
        section, _, key = path.partition("__")
        payload[section] = value if not key else {**payload[section], key: value}
    return payload


def test_events_of_cdevents_0_4_are_accepted() -> None:
    older = _service_deployed(context__type="dev.cdevents.service.deployed.0.2.0")
    older["context"]["version"] = older["context"].pop("specversion")
    assert parse_event(older).kind is Kind.SERVICE_DEPLOYED


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ([], "JSON object"),
        ({}, "neither a CDEvent"),
        (_service_deployed(context__type="dev.cdevents.build.started.0.3.0"), "'build.started' is not known"),
        (_service_deployed(context__type="com.example.thing"), "'com.example.thing' is not known"),
        (_service_deployed(context__timestamp="2026-11-21T10:00:00"), "no UTC offset"),
        (_service_deployed(context__timestamp="yesterday"), "context.timestamp"),
        (_service_deployed(context__timestamp="0001-01-01T00:00:00+14:00"), "out of range"),
        (_service_deployed(context__timestamp=1700000000), "write times as text"),
        (_service_deployed(context__id=""), "context.id"),
        (_service_deployed(context__id="\ud800"), "context.id"),
        (_service_deployed(subject=None), "subject"),
        (_service_deployed(customData={"headgate": {"outcome": "fine"}}), "'fine' is not one of"),
        (_service_deployed(customData={"headgate": {"data": {"deep": {"er": 1}}}}), "data.deep"),
        (_service_deployed(customData={"headgate": {"data": {"nan": float("nan")}}}), "finite"),
        (_service_deployed(customData={"headgate": 7}), "CDEvent"),
        ({"specversion": "1.0", "type": "com.github.push", "data": {"ref": "main"}}, "does not carry a CDEvent"),
        ({"specversion": "1.0", "type": "x", "data": "text"}, "does not carry a CDEvent"),
        ({"kind": "service.deployed"}, "occurred_at: Field required"),
        ({"kind": "moon.landed", "source": "/a", "id": "1", "occurred_at": "2026-11-21T10:00:00Z", "subject": "x"},
         "'moon.landed' is not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(payload: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_event(payload, where="events.jsonl:3")
    assert words in str(caught.value)
    assert str(caught.value).startswith("events.jsonl:3: ")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nul", '{"a": 1} {"b": 2}'])
def test_text_that_is_no_json(text: str) -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        parse_event_text(text)


def test_offsets_are_converted_to_utc() -> None:
    found = parse_event(_service_deployed(context__timestamp="2026-11-02T10:00:00+02:00"))
    assert found.occurred_at == at("0 08:00")
    assert found.occurred_at.utcoffset() == timedelta(0)


def test_messages_do_not_repeat_values() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_event(_service_deployed(context__id=["hunter2-secret"]))
    assert "hunter2-secret" not in str(caught.value)
