"""One name for what several tools call differently."""

from __future__ import annotations

import json

import pytest

from observability.cdevents import to_cdevent
from observability.collector.names import Names
from observability.store import SqlEventStore
from tests.observability.collector.samples import BEARER, EVENT
from tests.testing.collector_server import serving
from tests.testing.delivery import deployed

NAMES = Names(
    services={"cart": ["shop/cart*", "Cart"], "reco": ["shop/recommender", "shop/cart-reco"]},
    environments={"prod": ["production", "eu-?"]},
)


@pytest.mark.parametrize(
    ("service", "environment", "expected"),
    [
        ("shop/cart", "production", ("cart", "prod")),
        ("shop/cart-api", "eu-1", ("cart", "prod")),
        ("shop/cart-reco", "eu-10", ("reco", "eu-10")),  # listed as it is: no pattern takes it
        ("Cart", "staging", ("cart", "staging")),
        ("cart", "prod", ("cart", "prod")),
        ("shop/other", "Production", ("shop/other", "Production")),
    ],
)
def test_names(service: str, environment: str, expected: tuple[str, str]) -> None:
    event = NAMES.rename(deployed("1 09:00", service=service, environment=environment))
    assert (event.service, event.environment) == expected
    assert NAMES.rename(event) == event


def test_without_names_an_event_stays_itself() -> None:
    assert Names().rename(EVENT) is EVENT


def test_the_collector_uses_them(store: SqlEventStore) -> None:
    with serving(store, names=Names(services={"ours": [EVENT.service or ""]})) as site:
        assert site.post("/events", json.dumps(to_cdevent(EVENT)).encode(), **BEARER).status_code == 202
    (event,) = store.read()
    assert event.service == "ours"
