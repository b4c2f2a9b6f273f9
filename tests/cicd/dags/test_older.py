"""An older commit pushed over a newer one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cicd.cli.main import main
from cicd.dags.delivery import deliver
from cicd.dags.ledger import Books
from cicd.dags.proposal import Age, Proposal, Tree, propose
from cicd.dags.stores.local import LocalStore
from headgate.errors import ConflictError, UnsafeActionError
from headgate.git import Git, clone
from tests.testing.dag_stores import bundle, commit_of, contents, loader, quiet
from tests.testing.repositories import commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

OLD, NEW = {"a.py": b"1", "b.py": b"1"}, {"a.py": b"2", "b.py": b"1"}


@pytest.mark.parametrize(
    ("age", "text"),
    [(Age.OLDER, "is newer"), (Age.UNKNOWN, "not in this clone and perhaps newer"), (Age.NOT_OLDER, "")],
)
def test_of_two_that_race_the_newer_commit_wins(tmp_path: Path, age: Age, text: str) -> None:
    """The other run finishes between our look and our lock."""
    store, clock = LocalStore(tmp_path), SteppedClock()
    looks: list[Books] = []

    def load(books: Books) -> Tree:
        tree = loader(OLD, compare=lambda _: age)(books)
        looks.append(books)
        if len(looks) == 1:
            deliver(bundle(store, run="quick"), loader(NEW), clock=clock, progress=quiet)
        return tree

    if not text:
        deliver(bundle(store, run="late"), load, clock=clock, progress=quiet)
        assert contents(store) == OLD
        return
    with pytest.raises(ConflictError, match=rf"put r1-{commit_of(NEW)[:8]} in force meanwhile; .*{text}"):
        deliver(bundle(store, run="late"), load, clock=clock, progress=quiet)
    assert contents(store) == NEW
    assert store.read(bundle(store).ledger.layout.lock) is None


def test_one_that_is_overtaken_before_its_lock_claims_nothing(tmp_path: Path) -> None:
    store, clock = LocalStore(tmp_path), SteppedClock()

    def another(_: Proposal) -> None:
        deliver(bundle(store, run="quick"), loader(NEW), clock=clock, progress=quiet)

    late = loader(OLD, compare=lambda _: Age.OLDER)
    with pytest.raises(ConflictError, match="is newer"):
        deliver(bundle(store, run="late"), late, clock=clock, progress=quiet, begin=another)
    assert contents(store) == NEW
    assert bundle(store).ledger.read().claims is None
    assert store.read(bundle(store).ledger.layout.lock) is None


@pytest.mark.parametrize(
    ("age", "text"), [(Age.OLDER, "is older than"), (Age.UNKNOWN, "GIT_DEPTH: 0"), (Age.NOT_OLDER, "")]
)
def test_refused_when_asked_for(tmp_path: Path, age: Age, text: str) -> None:
    store, clock = LocalStore(tmp_path), SteppedClock()
    mine = bundle(store, refuse_older=True)
    deliver(mine, loader(NEW, compare=lambda _: age), clock=clock, progress=quiet)
    if text:
        with pytest.raises(UnsafeActionError, match=text):
            deliver(mine, loader(OLD, compare=lambda _: age), clock=clock, progress=quiet)
        assert contents(store) == NEW
    else:
        deliver(mine, loader(OLD, compare=lambda _: age), clock=clock, progress=quiet)
        assert contents(store) == OLD
    assert propose(bundle(store), loader(OLD, compare=lambda _: age)).age is age


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return new_repository(tmp_path / "repo")


def test_the_command_says_so_and_refuses_when_asked(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = commit_files(git, {"dags/a.py": "1\n"}, "one")
    second = commit_files(git, {"dags/a.py": "2\n"}, "two")
    monkeypatch.chdir(git.path)
    where = ["--target", f"file://{tmp_path}/dags", "--source", "dags"]
    assert main(["dags", "push", *where]) == 0
    assert "older" not in capsys.readouterr().err
    assert main(["dags", "push", *where, "--ref", first, "--refuse-older"]) == 2
    assert f"commit {first[:12]} is older than {second[:12]}, which is in force as r1-" in capsys.readouterr().err
    assert main(["dags", "push", *where, "--ref", first, "--dry-run"]) == 0
    assert "this goes back" in capsys.readouterr().err
    assert main(["dags", "push", *where, "--ref", first]) == 0
    assert "this goes back. --refuse-older prevents it" in capsys.readouterr().err
    assert (tmp_path / "dags/a.py").read_text() == "1\n"
    assert main(["dags", "push", *where, "--refuse-older", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"][0]["commit"] == second


def test_a_clone_without_history_cannot_tell(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_files(git, {"dags/a.py": "1\n"}, "one")
    where = ["--target", f"file://{tmp_path}/dags", "--source", "dags"]
    monkeypatch.chdir(git.path)
    assert main(["dags", "push", *where]) == 0
    commit_files(git, {"dags/a.py": "2\n"}, "two")
    shallow = clone(git.path.as_uri(), tmp_path / "shallow", options=["--depth", "1"])
    monkeypatch.chdir(shallow.path)
    assert main(["dags", "push", *where, "--refuse-older"]) == 2
    assert "is not in this clone" in capsys.readouterr().err
    assert main(["dags", "push", *where]) == 0
