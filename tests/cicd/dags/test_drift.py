"""Drift between a bucket and its release."""

from __future__ import annotations

from cicd.dags.drift import find_drift, foreign
from tests.cicd.dags.test_planning import claims, manifest, stored


def test_each_kind() -> None:
    release = manifest({"same": b"1", "edited": b"1", "gone": b"1", "half": b"1"})
    there = stored({"same": b"1", "edited": b"x", "half": b"2", "new": b"2", "theirs": b"3"}, generation=42)
    unfinished = claims({"half": b"2", "new": b"2", "theirs": b"other"})
    found = [(drift.kind.value, drift.path, drift.generation) for drift in find_drift(there, release, unfinished)]
    assert found == [
        ("changed", "edited", 42),
        ("missing", "gone", None),
        ("unfinished", "half", 42),
        ("unfinished", "new", 42),
    ]
    assert foreign(there, release, unfinished) == ("theirs",)


def test_none() -> None:
    files = {"a": b"1"}
    assert find_drift(stored(files), manifest(files)) == ()
    assert find_drift(stored(files), None) == ()
    assert foreign(stored(files), None) == ("a",)
