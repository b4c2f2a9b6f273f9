"""Sync windows: cron schedules, durations, and who may sync when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cicd.sandbox.argocd.windows import Window, cron_fires, may_sync, parse_duration, parse_window

SATURDAY = datetime(2026, 11, 21, 10, 30, 45, tzinfo=UTC)
ALWAYS, NEVER = "* * * * *", "0 0 1 1 *"


@pytest.mark.parametrize(
    ("schedule", "fires"),
    [
        ("* * * * *", True),
        ("30 10 * * *", True),
        ("31 10 * * *", False),
        ("*/15 * * * *", True),
        ("1-29 * * * *", False),
        ("0,30 8-18/2 * * *", True),
        ("30 10 21 * *", True),
        ("30 10 20 * *", False),
        ("30 10 * 11 6", True),
        ("30 10 * 12 6", False),
        ("30 10 * * 0", False),
        ("30 10 1 * 6", True),  # either of the day fields is enough when both are restricted
    ],
)
def test_cron(schedule: str, fires: bool) -> None:
    assert cron_fires(schedule, SATURDAY.replace(second=0)) is fires


@pytest.mark.parametrize("day", ["0", "7"])
def test_sunday_has_two_numbers(day: str) -> None:
    assert cron_fires(f"0 0 * * {day}", datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    "schedule", ["", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "* * 0 * *"]
)
def test_schedules_that_cannot_be_read(schedule: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        cron_fires(schedule, SATURDAY)


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86400), ("1h30m", 5400), ("10m", 600), ("45s", 45)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "h", "1d", "0h", "-1h", "99999h", "1.5h"])
def test_durations_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_a_window_closes_after_its_duration() -> None:
    window = Window(kind="deny", schedule="0 10 * * *", duration="30m")
    opened = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert not window.is_open(opened - timedelta(seconds=1))
    assert window.is_open(opened)
    assert window.is_open(opened + timedelta(minutes=29, seconds=59))
    assert not window.is_open(opened + timedelta(minutes=30))


def _window(kind: str, *, is_open: bool, manual: bool) -> Window:
    return parse_window(
        {"kind": kind, "schedule": ALWAYS if is_open else NEVER, "duration": "1h", "manualSync": manual}
    )


@pytest.mark.parametrize(
    ("windows", "automatic", "manual"),
    [
        ((), True, True),
        ((("deny", True, False),), False, False),
        ((("deny", True, True),), False, True),
        ((("deny", True, True), ("deny", True, False)), False, False),
        ((("deny", False, False),), True, True),
        ((("allow", True, False),), True, True),
        ((("allow", False, False),), False, False),
        ((("allow", False, True),), False, True),
        ((("allow", False, False), ("allow", True, False)), True, True),
        ((("allow", True, False), ("deny", True, False)), False, False),
    ],
)
def test_may_sync(windows: tuple[tuple[str, bool, bool], ...], automatic: bool, manual: bool) -> None:
    known = [_window(kind, is_open=is_open, manual=by_hand) for kind, is_open, by_hand in windows]
    assert may_sync(known, SATURDAY, manual=False) is automatic
    assert may_sync(known, SATURDAY, manual=True) is manual


def test_a_window_is_for_named_applications_or_namespaces() -> None:
    window = Window(kind="deny", schedule=ALWAYS, duration="1h", applications=("*-prod",), namespaces=("shop",))
    assert window.applies_to("recommender-prod", "x")
    assert window.applies_to("x", "shop")
    assert not window.applies_to("recommender-test", "x")


@pytest.mark.parametrize(
    "value", [{}, {"kind": "maybe"}, {"kind": "deny"}, {"kind": "deny", "schedule": ALWAYS, "duration": "x"}]
)
def test_windows_that_cannot_be_read(value: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        parse_window(value)
