"""The Prometheus exposition."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from observability.events import DeliveryEvent, Kind
from observability.metrics import expose
from observability.store import open_store
from tests.testing.delivery import at, deployed, event, incident, rolled_back
from tests.testing.stepped_clock import SteppedClock

WEEK = timedelta(days=7)


def _samples(tmp_path: Path, events: list[DeliveryEvent]) -> dict[tuple[str, ...], float]:
    """Samples by name and label values (labels in order of their names)."""
    store = open_store("sqlite:///events.db", root=tmp_path)
    store.append(events)
    body, content_type = expose(store, SteppedClock(at("7 00:00")), WEEK)
    assert content_type.startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


EVENTS = [
    deployed("1 09:00", "c1", release="r1"),
    deployed("2 09:00", "c2", committed="2 08:00", release="r2"),
    deployed("3 09:00", "c3", committed="3 06:00", release="r3", outcome="failure"),
    rolled_back("3 09:05", release="r3"),
    incident("2 10:00", "INC-1"),
    event(Kind.GATE_FINISHED, "1 08:00", subject="quality", outcome="failure"),
    event(Kind.GATE_FINISHED, "1 08:30", subject="quality", outcome="success"),
    event(Kind.GATE_FINISHED, "1 08:40", subject="unit", outcome="success"),
]


def test_counters_count_what_is_in_the_log(tmp_path: Path) -> None:
    found = _samples(tmp_path, EVENTS)
    assert found["headgate_deployments_total", "prod", "success", "shop"] == 2
    assert found["headgate_deployments_total", "prod", "failure", "shop"] == 1
    assert found["headgate_deployments_total", "prod", "rolledback", "shop"] == 1
    assert found["headgate_gate_verdicts_total", "quality", "failure"] == 1
    assert found["headgate_gate_verdicts_total", "unit", "success"] == 1
    assert found["headgate_incidents_total", "prod", "shop"] == 1
    assert found["headgate_events_total", "service.upgraded"] == 3


def test_gauges_are_those_of_the_report(tmp_path: Path) -> None:
    found = _samples(tmp_path, EVENTS)
    assert found["headgate_dora_window_seconds",] == WEEK.total_seconds()
    assert found["headgate_dora_change_lead_time_seconds", "prod", "0.5", "shop"] == 3600
    assert found["headgate_dora_failed_deployment_recovery_time_seconds", "prod", "0.9", "shop"] == 300
    assert found["headgate_dora_deployments_per_day", "prod", "shop"] == 3 / 7
    assert found["headgate_dora_change_fail_ratio", "prod", "shop"] == 2 / 3
    assert found["headgate_dora_rework_ratio", "prod", "shop"] == 0
    assert found["headgate_dora_items", "prod", "deployments", "shop"] is not None


def test_a_metric_without_data_has_no_series(tmp_path: Path) -> None:
    names = {key[0] for key in _samples(tmp_path, [deployed("-9 09:00", "c1", release="r1")])}
    assert "headgate_dora_deployments_per_day" in names
    assert "headgate_dora_change_fail_ratio" not in names
    assert "headgate_dora_change_lead_time_seconds" not in names


def test_more_events_make_no_more_series(tmp_path: Path) -> None:
    few = [deployed(f"1 0{n}:00", f"c{n}", committed="0 09:00", release=f"r{n}") for n in range(3)]
    many = [deployed(f"2 {n:02}:00", f"d{n}", committed="0 09:00", release=f"s{n}") for n in range(20)]
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    assert _samples(tmp_path / "few", few).keys() == _samples(tmp_path / "many", [*few, *many]).keys()


def test_an_empty_log_is_exposed(tmp_path: Path) -> None:
    assert _samples(tmp_path, []) == {("headgate_dora_window_seconds",): WEEK.total_seconds()}
