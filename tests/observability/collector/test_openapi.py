"""The OpenAPI description: it describes what is served, and what is generated from it never breaks the server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from observability.collector.answers import STATUS
from observability.collector.openapi import document
from observability.collector.senders import SENDERS, SHARED
from observability.store import open_store
from tests.observability.collector.samples import ROOT, sample
from tests.testing.collector_server import SECRETS, Served, serving
from tests.testing.webhooks import prove

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "schemas" / "collector.openapi.json"
DOCUMENT = document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = open_store("sqlite:///events.db", root=tmp_path_factory.mktemp("log"))
    with serving(store) as served:
        yield served


def test_it_is_published_as_it_is_served(site: Served) -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == DOCUMENT == site.http.get("/openapi.json").json()


def test_it_names_every_sender_and_every_answer() -> None:
    assert {sender.path for sender in SENDERS.values()} < DOCUMENT["paths"].keys()
    responses = DOCUMENT["paths"]["/webhooks/gitlab"]["post"]["responses"]
    assert responses.keys() == {str(status) for status in STATUS.values()} - {"404"}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_samples_are_what_it_describes(path: Path) -> None:
    body = DOCUMENT["paths"][f"/webhooks/{path.parent.name}"]["post"]["requestBody"]
    schema = {**body["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    if path.stem != "cdevents_plugin":  # that one is described by its own media type
        jsonschema.validate(sample(f"{path.parent.name}/{path.stem}"), schema)


def proof(path: str, body: bytes) -> Mapping[str, str]:
    """With which the sender of an address would prove itself."""
    sender = SENDERS["cdevents" if path == "/events" else path.rpartition("/")[2]]
    scheme, variable = sender.keys[-1]
    return prove(scheme, SECRETS.get(variable, SECRETS[SHARED]), body, datetime.now(UTC))


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
def test_what_is_generated_from_it_never_breaks_the_server(
    site: Served, session: requests.Session, path: str, mode: GenerationMode
) -> None:
    """With the right proof, so that the bodies are read. The generated requests are the same in every run."""
    (method,) = DOCUMENT["paths"][path]
    operation = SCHEMA[path][method.upper()]
    if mode is GenerationMode.NEGATIVE and method == "get":
        return  # there is nothing to be wrong
    bounded = settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

    @bounded
    @given(case=operation.as_strategy(generation_mode=mode))
    def play(case: schemathesis.Case[Any]) -> None:
        prepared = session.prepare_request(requests.Request(**case.as_transport_kwargs(base_url=site.url)))
        body = prepared.body or b""
        sent = body.encode() if isinstance(body, str) else body
        if method == "post":
            prepared.headers.update(proof(path, sent))
        answer = session.send(prepared, timeout=60)
        case.validate_response(answer, checks=CHECKS)

    play()
    assert site.http.get("/readyz").status_code == 200
