"""The quick look into the log says the same as the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from observability.events import DeliveryEvent, Kind
from observability.known import is_known
from observability.store import open_store

EVENT = DeliveryEvent(
    kind=Kind.SERVICE_DEPLOYED,
    source="gs://b/dags",
    id="dags-1",
    occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
    subject="r1",
    service="dags/shop",
    environment="prod",
    outcome="success",
)


@pytest.mark.parametrize("name", ["events.db", "sub folder/ünï.db"])
def test_what_was_appended_is_known(tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{name}"
    assert not is_known(url, root=tmp_path, source=EVENT.source, identity=EVENT.id)
    open_store(url, root=tmp_path).append([EVENT])
    assert is_known(url, root=tmp_path, source=EVENT.source, identity=EVENT.id)
    assert is_known(f"sqlite:///{tmp_path}/{name}", root=Path("/"), source=EVENT.source, identity=EVENT.id)
    assert not is_known(url, root=tmp_path, source=EVENT.source, identity="dags-2")
    assert not is_known(url, root=tmp_path, source="gs://other/dags", identity=EVENT.id)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///notes.txt",
        "sqlite:///",
        "sqlite:///folder",
        "sqlite:///a?b=c",
        "sqlite://",
        "postgresql://h/d",
        "nonsense",
        "",
    ],
)
def test_what_cannot_be_told_is_not_known(tmp_path: Path, url: str) -> None:
    (tmp_path / "notes.txt").write_text("no database")
    (tmp_path / "folder").mkdir()
    assert not is_known(url, root=tmp_path, source=EVENT.source, identity=EVENT.id)
