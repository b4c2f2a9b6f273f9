"""Weeks of the calendar dimension."""

from __future__ import annotations

from datetime import datetime


def test_weeks_are_iso_weeks(make):
    rows = make(
        "dim_date",
        std_carts=[
            {"created_at": datetime.fromisoformat("2026-01-04")},
            {"created_at": datetime.fromisoformat("2026-01-05")},
        ],
    )
    assert [row["iso_week"] for row in rows] == [1, 2]
