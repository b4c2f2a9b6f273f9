"""The projection says what the log says: kept up to date, rebuilt, on every database, whatever the order."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observability.commits import Commit, encode_commits
from observability.dora import DoraReport, Period, evaluate_dora
from observability.events import DeliveryEvent, Kind
from observability.projection import Projection
from observability.schema import facts, state
from observability.store import SqlEventStore, open_store
from tests.observability.test_dora_properties import histories
from tests.testing.delivery import DAY0, deployed, event, incident
from tests.testing.postgres import Postgres

PERIODS = (
    Period(start=DAY0 - timedelta(days=1), end=DAY0 + timedelta(days=3)),
    Period(start=DAY0 + timedelta(hours=4), end=DAY0 + timedelta(hours=30)),
    Period(start=DAY0 + timedelta(days=40), end=DAY0 + timedelta(days=90)),
)
some = st.sampled_from
TANGLED = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def tangled(draw: st.DrawFn) -> list[DeliveryEvent]:
    """Histories of services that share some names and not others, with events that name no service."""
    found = draw(histories(services=("a", "b", "c", "d")))
    kinds = some([*Kind])
    for number in range(draw(st.integers(0, 6))):
        base = event(draw(kinds), f"{draw(st.integers(0, 2))} 05:00", id=f"more-{number}", service=None)
        listed = encode_commits([Commit(sha=draw(some(["c1", "c9"])), original=draw(some([None, "c2"])))])
        found.append(
            replace(
                base,
                service=draw(some([None, "a", "b"])),
                environment=draw(some([None, "prod"])),
                subject=draw(some(["INC-1", "art-1", "x"])),
                commit=draw(some([None, "c1", "c4"])),
                committed_at=draw(some([None, DAY0])),
                change=draw(some([None, "!1", "!2"])),
                release=draw(some([None, "r1", "r9"])),
                data=draw(
                    some([{}, {"commits": listed}, {"changes": '["!1"]'}, {"artifact": "art-1"}, {"retry_of": "r2"}])
                ),
            )
        )
    # Names that nobody else uses, so that some services can be judged alone.
    private = draw(st.sets(some(["a", "b", "c", "d"])))
    return [own(e) if e.service in private else e for e in found]


def own(e: DeliveryEvent) -> DeliveryEvent:
    mine = {name: f"{e.service}-{value}" for name in ("commit", "release", "subject") if (value := getattr(e, name))}
    data = {key: value for key, value in e.data.items() if key in ("unplanned", "failed_at")}
    return replace(e, **mine, data=data)  # type: ignore[arg-type]


def projected(store: SqlEventStore, period: Period) -> DoraReport:
    return Projection(store.database).report(period)


def some_wanted(service: str, environment: str | None) -> bool:
    return service != "b" and environment != "staging"


def rows(store: SqlEventStore) -> list[tuple[object, ...]]:
    with store.database.reading() as connection:
        return sorted(tuple(row) for row in connection.execute(facts.select()))


@TANGLED
@given(events=tangled(), chance=st.randoms(use_true_random=False))
def test_kept_up_to_date_or_rebuilt_it_is_what_the_events_say(
    tmp_path_factory: pytest.TempPathFactory, events: list[DeliveryEvent], chance: random.Random
) -> None:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('log')}/events.db")
    arriving = [*events, *events[:3]]
    chance.shuffle(arriving)
    while arriving:
        size = chance.randint(1, 5)
        store.append(arriving[:size])
        arriving = arriving[size:]
        Projection(store.database).refresh()
    kept = rows(store)
    for period in PERIODS:
        assert projected(store, period) == evaluate_dora(events, period)
        narrowed = Projection(store.database).report(period, some_wanted)
        assert narrowed == evaluate_dora(events, period, wanted=some_wanted)
    Projection(store.database).rebuild()
    assert rows(store) == kept


def test_both_databases_keep_the_same_facts(tmp_path: Path, postgres: Postgres) -> None:
    log = [
        *(deployed(f"{day} 09:00", f"c{day % 7}", committed=f"{day} 03:00", release=f"r{day}") for day in range(30)),
        *(incident(f"{day} 11:00", f"INC-{day}") for day in range(0, 30, 3)),
        *(deployed(f"{day} 13:00", f"u{day}", service="ünïcode", environment="Staging") for day in range(3)),
        event(Kind.CHANGE_MERGED, "4 00:00", service=None, commit="u1", committed="0 00:00"),
        event(Kind.INCIDENT_DETECTED, "5 00:00", service=None, environment=None, subject="INC-x"),
    ]
    with postgres.database() as name:
        one, two = open_store(f"sqlite:///{tmp_path}/events.db"), open_store(postgres.url(name))
        one.append(log)
        for part in (log[20:], log[:20]):
            two.append(part)
            Projection(two.database).refresh()
        for period in PERIODS:
            assert projected(one, period) == projected(two, period) == evaluate_dora(log, period)
        assert rows(one) == rows(two)


def test_only_what_an_event_concerns_is_judged_again(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    store.append(deployed("1 09:00", f"c{n}", service=f"s{n}", release=f"r{n}") for n in range(5))
    kept = Projection(store.database)
    kept.refresh()
    with store.database.writing() as connection:  # a mark that judging again would remove
        connection.execute(facts.update().values(body="[]"))
    store.append([deployed("2 09:00", "c9", service="s3", release="r9")])
    kept.refresh()
    judged_again = {row[0] for row in rows(store) if row[3] != "[]"}
    assert judged_again == {"s3"}


def test_other_rules_rebuild_it(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    store.append([deployed("1 09:00", "c1")])
    Projection(store.database).refresh()
    kept = rows(store)
    with store.database.writing() as connection:
        connection.execute(facts.update().values(body="[]"))
        connection.execute(state.update().where(state.c.name == "rules").values(value="older"))
    Projection(store.database).refresh()
    assert rows(store) == kept


def test_more_events_and_services_than_one_turn_takes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/events.db")
    log = [deployed(f"{n} 09:00", f"c{n}", service=f"s{n % 11}", release=f"r{n}") for n in range(50)]
    store.append(log)
    Projection(store.database, scan=7, turn=3).refresh()
    kept = rows(store)
    assert len({row[0] for row in kept}) == 11
    Projection(store.database).rebuild()
    assert rows(store) == kept
