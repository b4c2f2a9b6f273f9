"""Release and revert commits on a real bare repository, raced by others; and the lock as a ref."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.gitops.holder import Holder, is_gone, is_running, parse_holder, this_process
from deployments.gitops.lock import GitLock
from deployments.gitops.repository import GitOpsRepository, open_repository
from deployments.gitops.trailers import (
    ReleaseNote,
    parse_release,
    parse_revert,
    parse_trailers,
    release_message,
    revert_message,
)
from headgate.errors import ConfigError, ConflictError, RemoteStateError, UnsafeActionError
from headgate.git import Git
from tests.testing.repositories import IDENTITY, commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

NOTE = ReleaseNote(
    release_id="rel-1",
    service="reco",
    environment="prod",
    version="1.1.0",
    previous="1.0.0",
    baseline="abc",
    source_repo="shop/data-platform",
    source_commit="b" * 40,
    committed_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
)
VALUES = "# values\r\nimage:\r\n  tag: 1.0.0 # the version\r\n"


class Bench:
    """A bare repository and clones of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = SteppedClock()
        self.bare = new_repository(root / "env.git", bare=True)
        self.other = new_repository(root / "other")
        commit_files(self.other, {"prod/values.yaml": VALUES, "readme": "x"}, "start")
        self.other.run("remote", "add", "origin", str(self.bare.path))
        self.other.run("push", "--quiet", "origin", "main")
        self._clones = 0

    def store(self) -> GitOpsRepository:
        self._clones += 1
        opened = open_repository(
            str(self.bare.path), self.root / f"clone{self._clones}", branch="main", file="prod/values.yaml",
            key="image.tag", clock=self.clock,
        )  # fmt: skip
        git = replace(opened.git, extra_env=IDENTITY)
        return GitOpsRepository(
            git, branch="main", file="prod/values.yaml", key="image.tag", clock=self.clock, random=lambda: 0.5
        )

    def lock(self, store: GitOpsRepository, *, name: str = "me", gone: bool = False) -> GitLock:
        holder = Holder(name=name, machine="m", pid=1, started="1")
        return GitLock(
            store.git,
            "reco/prod",
            clock=self.clock,
            ttl_s=60,
            holder=holder,
            gone=lambda _: gone,
            running=lambda _: False,
        )

    def raw(self, revision: str = "main") -> bytes:
        import subprocess

        done = subprocess.run(
            ["git", "cat-file", "blob", f"{revision}:prod/values.yaml"],
            cwd=self.bare.path,
            check=True,
            capture_output=True,
        )
        return done.stdout

    def push_other(self, files: dict[str, str | bytes], message: str = "other") -> None:
        self.other.run("pull", "--quiet", "--rebase", "origin", "main")
        commit_files(self.other, files, message)
        self.other.run("push", "--quiet", "origin", "main")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_trailers_survive_the_round_trip() -> None:
    assert parse_release(release_message(NOTE)) == NOTE
    text = revert_message(NOTE, commit="c" * 40, reason="error\nHeadgate-Release: forged")
    assert parse_revert(text) == ("rel-1", "error Headgate-Release: forged")
    assert parse_release(text) is None
    assert parse_trailers("subject\n\nnot: in the last paragraph\n\nA: b\n c") == {"A": "b"}
    assert parse_release("Merge branch") is None


def test_release_and_revert_are_one_line_each_and_found_again(bench: Bench) -> None:
    store = bench.store()
    lock = bench.lock(store)
    lock.acquire("start")
    assert store.refresh().version == "1.0.0"
    release = store.write_release(NOTE, lock)
    assert bench.raw() == VALUES.replace("1.0.0", "1.1.0").encode()
    assert store.write_release(NOTE, lock) == release  # the same release again is the same commit
    assert store.carries(release.commit, release.commit, "1.1.0")
    bench.push_other({"readme": "y"})
    tip = store.refresh().revision
    assert store.carries(tip, release.commit, "1.1.0")
    assert not store.carries(tip, release.commit, "1.0.0")
    assert not store.carries("f" * 40, release.commit, "1.1.0")
    assert not store.carries("", release.commit, "1.1.0")

    fresh = bench.store()
    found = fresh.releases("reco", "prod")
    assert found == (release,)
    assert fresh.releases("reco", "staging") == ()
    reverted = store.revert_release(release, "error ratio 0.2 > 0.02", lock)
    assert store.revert_release(release, "again", lock) == reverted
    assert bench.raw() == VALUES.encode()
    fresh.refresh()
    (found_again,) = fresh.releases("reco", "prod")
    assert (found_again.reverted_by, found_again.reason) == (reverted, "error ratio 0.2 > 0.02")
    assert bench.bare.run("rev-list", "--count", "main").strip() == "4"
    lock.release()
    assert lock.read() is None


class Racing(GitLock):
    """Somebody else pushes right before each of the first `times` pushes of ours."""

    def __init__(self, bench: Bench, store: GitOpsRepository, times: int) -> None:
        super().__init__(store.git, "reco/prod", clock=bench.clock)
        self._bench, self.times = bench, times

    def fence(self):  # type: ignore[no-untyped-def]
        if self.times:
            self.times -= 1
            self._bench.push_other({"readme": f"race {self.times}"})
        return super().fence()


def test_lost_races_are_run_again_on_what_is_there_then(bench: Bench) -> None:
    store = bench.store()
    lock = Racing(bench, store, times=3)
    lock.acquire("start")
    release = store.write_release(NOTE, lock)
    assert bench.bare.rev_parse("main") == release.commit
    assert bench.bare.run("show", "main:readme") == "race 0"
    lock.check()


def test_races_are_given_up_after_a_bounded_number(bench: Bench) -> None:
    store = bench.store()
    lock = Racing(bench, store, times=50)
    lock.acquire("start")
    with pytest.raises(ConflictError, match="moved 6 times"):
        store.write_release(NOTE, lock)


def test_version_that_somebody_else_changed_is_left_alone(bench: Bench) -> None:
    store = bench.store()
    lock = bench.lock(store)
    lock.acquire("start")
    release = store.write_release(NOTE, lock)
    bench.push_other({"prod/values.yaml": VALUES.replace("1.0.0", "9.9.9")})
    with pytest.raises(UnsafeActionError, match=r"version 9\.9\.9 by now"):
        store.revert_release(release, "bad", lock)
    with pytest.raises(UnsafeActionError, match=r"version 9\.9\.9 by now"):
        store.write_release(replace(NOTE, release_id="rel-2"), lock)


def test_branch_that_refuses_pushes_is_said_at_once(bench: Bench) -> None:
    hook = bench.bare.path / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) echo protected; exit 1;; esac\n')
    hook.chmod(0o755)
    store = bench.store()
    lock = bench.lock(store)
    lock.acquire("start")
    with pytest.raises(RemoteStateError, match=r"refused although nobody was faster.*protected"):
        store.write_release(NOTE, lock)
    lock.check()


def test_holder_that_lost_its_lock_writes_nothing(bench: Bench) -> None:
    store, thief = bench.store(), bench.store()
    lock, stolen = bench.lock(store), bench.lock(thief, name="thief", gone=True)
    lock.acquire("start")
    assert stolen.acquire("other") is not None
    with pytest.raises(ConflictError, match="not hold the lock"):
        store.write_release(NOTE, lock)
    with pytest.raises(ConflictError):
        lock.check()
    lock.release()
    assert bench.raw() == VALUES.encode()
    stolen.check()
    found = stolen.read()
    assert found is not None
    assert found.token == 2


def test_dead_process_is_known_on_its_own_machine_only() -> None:
    me = this_process()
    assert parse_holder(str(me)) == me
    assert parse_holder("nonsense") is None
    assert is_running(me)
    assert not is_gone(me)
    gone = replace(me, pid=2**22 + 1)
    assert is_gone(gone)
    assert is_gone(replace(me, started="1"))  # its number was given to another process
    for elsewhere in (replace(gone, machine="other"), replace(gone, machine="")):
        assert not is_gone(elsewhere)
        assert not is_running(elsewhere)


def test_unreadable_lock_may_be_taken(bench: Bench) -> None:
    tree = bench.other.run("mktree", stdin="").strip()
    commit = bench.other.run("commit-tree", tree, "-m", "not ours").strip()
    bench.other.run("push", "--quiet", "origin", f"{commit}:refs/headgate/locks/reco/prod")
    found = bench.lock(bench.store()).acquire("start")
    assert found is not None
    assert (found.state, found.token, found.expires_at) == (commit, 0, None)


@pytest.mark.parametrize(
    ("file", "key", "message"),
    [("../outside", "a", "no file"), ("nosuch.yaml", "a", "no file"), ("readme", "a.b", "no key")],
)
def test_wrong_file_and_key(bench: Bench, file: str, key: str, message: str) -> None:
    store = bench.store()
    wrong = GitOpsRepository(store.git, branch="main", file=file, key=key, clock=bench.clock)
    with pytest.raises((ConfigError, RemoteStateError), match=message):
        wrong.refresh()


def test_repository_without_the_branch(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(RemoteStateError, match="git clone failed"):
        open_repository(
            str(bench.bare.path), tmp_path / "c", branch="nosuch", file="f", key="k", clock=bench.clock, timeout_s=20
        )


def test_machine_without_an_identity_can_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    store = bench.store()
    bare = GitOpsRepository(
        Git(path=store.git.path), branch="main", file="prod/values.yaml", key="image.tag", clock=bench.clock
    )
    lock = GitLock(bare.git, "reco/prod", clock=bench.clock)
    lock.acquire("start")
    bare.write_release(NOTE, lock)
    assert bench.bare.run("log", "-1", "--format=%an", "main").strip() == "Headgate"
