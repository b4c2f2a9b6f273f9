"""The Lease as a lock, beyond the contract of locks: foreign Leases, other writers, an unreachable cluster, writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.cluster.lease import PURPOSE, LeaseLock, lease_name, parse_lease
from deployments.gitops.repository import GitOpsRepository, open_repository
from deployments.gitops.trailers import ReleaseNote
from headgate.errors import AuthenticationError, ConflictError, LockHeldError, UnreachableError
from tests.testing.bare_cluster import BareCluster, bare_cluster
from tests.testing.lease_bench import LeaseBench
from tests.testing.lock_contract import holder
from tests.testing.repositories import IDENTITY, commit_files, new_repository

NOW = "2026-11-21T10:36:20.400000Z"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[BareCluster]:
    with bare_cluster(tmp_path) as made:
        yield made


@pytest.fixture
def bench(cluster: BareCluster) -> Iterator[LeaseBench]:
    made = LeaseBench(cluster.kubeconfig(), namespace="shop", name="headgate.reco.prod")
    yield made
    made.close()


def test_lease_is_written_as_kubernetes_wants_it(bench: LeaseBench) -> None:
    lock = bench.lock(holder("ada"))
    lock.acquire("start 1.1.0")
    found = bench.lease()
    assert found["spec"] == {
        "holderIdentity": "ada m 1 1",
        "leaseDurationSeconds": 60,
        "acquireTime": NOW,
        "renewTime": NOW,
        "leaseTransitions": 1,
    }
    assert found["metadata"]["annotations"] == {PURPOSE: "start 1.1.0"}
    bench.clock.advance(45)
    lock.renew_if_due()
    assert bench.lease()["spec"] == found["spec"] | {"renewTime": "2026-11-21T10:37:05.400000Z"}


def test_token_never_falls(bench: LeaseBench) -> None:
    for number in range(1, 4):
        lock = bench.lock(holder(f"h{number}"))
        lock.acquire("start")
        found = lock.read()
        assert found is not None
        assert found.token == number
        lock.release()
        assert bench.lease()["spec"] == {"leaseTransitions": number}
        assert PURPOSE not in bench.lease()["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("spec", "free"),
    [
        ({"holderIdentity": "somebody-else", "leaseDurationSeconds": 15, "renewTime": NOW}, False),
        ({"holderIdentity": "somebody-else", "leaseDurationSeconds": 15, "renewTime": "2026-11-21T10:36:05Z"}, True),
        ({"holderIdentity": "somebody-else"}, True),
        ({"holderIdentity": "somebody-else", "renewTime": NOW}, True),
        ({}, True),
    ],
)
def test_lease_of_another_program_is_respected_until_it_expires(
    bench: LeaseBench, spec: Mapping[str, Any], free: bool
) -> None:
    bench.put(spec)
    lock = bench.lock(holder("ada"))
    if not free:
        with pytest.raises(LockHeldError, match="somebody-else"):
            lock.acquire("start")
        return
    lock.acquire("start")
    assert bench.lease()["spec"]["leaseTransitions"] == 1
    lock.check()


def test_other_writers_of_the_lease_do_not_take_it(bench: LeaseBench) -> None:
    """A label or annotation of an admission controller changes the resourceVersion, not the holder."""
    lock = bench.lock(holder("ada"))
    lock.acquire("start")
    bench.cluster().patch(bench.ref, {"metadata": {"annotations": {"audit": "seen"}}})
    lock.check()
    bench.clock.advance(45)
    lock.renew_if_due()
    assert bench.lease()["metadata"]["annotations"] == {PURPOSE: "start", "audit": "seen"}


def test_lease_that_was_removed_is_lost(bench: LeaseBench, cluster: BareCluster) -> None:
    from cicd.sandbox.kubernetes.cluster import Ref

    lock = bench.lock(holder("ada"))
    lock.acquire("start")
    cluster.store.delete(Ref("coordination.k8s.io", "v1", "Lease", "shop", "headgate.reco.prod"))
    for act in (lock.check, lock.fence):
        with pytest.raises(ConflictError):
            act()
    bench.clock.advance(45)
    with pytest.raises(ConflictError):
        lock.renew_if_due()


def test_unreachable_cluster_takes_nothing_away_before_the_lease_has_expired(
    bench: LeaseBench, cluster: BareCluster
) -> None:
    lock = bench.lock(holder("ada"))
    lock.acquire("start")
    cluster.server.stop()
    bench.clock.advance(45)
    lock.check()
    lock.renew_if_due()
    with pytest.raises(UnreachableError):  # a write needs proof
        lock.fence()
    bench.clock.advance(15)
    for act in (lock.check, lock.renew_if_due):
        with pytest.raises(UnreachableError):
            act()
    lock.abandon()
    lock.release()


def test_missing_rights_are_named_before_anything_is_written(cluster: BareCluster) -> None:
    reader = LeaseBench(cluster.kubeconfig("reader-token"), namespace="shop", name="headgate.reco.prod")
    with pytest.raises(AuthenticationError, match=r"may not create leases.*update leases.*verbs: \[create\]"):
        reader.lock(holder("ada")).acquire("start")
    assert cluster.store.list("coordination.k8s.io", "Lease") == []
    reader.close()


NOTE = ReleaseNote(
    release_id="rel-1",
    service="reco",
    environment="prod",
    version="1.1.0",
    previous="1.0.0",
    baseline="abc",
    source_repo=None,
    source_commit=None,
    committed_at=None,
)


def _store(root: Path, name: str, clock: Any) -> GitOpsRepository:
    opened = open_repository(
        str(root / "env.git"), root / name, branch="main", file="values.yaml", key="tag", clock=clock
    )
    git = replace(opened.git, extra_env=IDENTITY)
    return GitOpsRepository(git, branch="main", file="values.yaml", key="tag", clock=clock)


def test_commits_are_written_under_the_lease_and_not_without(bench: LeaseBench, tmp_path: Path) -> None:
    bare, work = new_repository(tmp_path / "env.git", bare=True), new_repository(tmp_path / "work")
    commit_files(work, {"values.yaml": "tag: 1.0.0\n"}, "start")
    work.run("push", "--quiet", str(bare.path), "main")
    lock = bench.lock(holder("ada"))
    lock.acquire("start")
    store = _store(tmp_path, "clone", bench.clock)
    bench.clock.advance(50)
    release = store.write_release(NOTE, lock)
    assert bare.rev_parse("main") == release.commit
    assert bench.lease()["spec"]["renewTime"] == "2026-11-21T10:37:10.400000Z", "renewed right before the push"
    thief: LeaseLock = bench.lock(holder("thief"), gone=True)
    thief.acquire("start")
    with pytest.raises(ConflictError, match="does not hold the lock"):
        store.revert_release(release, "bad", lock)
    assert bare.rev_parse("main") == release.commit
    assert _store(tmp_path, "other", bench.clock).revert_release(release, "bad", thief) == bare.rev_parse("main")


def test_what_is_no_lease_of_ours_counts_as_expired() -> None:
    found = parse_lease({"metadata": {}, "spec": {"holderIdentity": "x", "renewTime": 7, "leaseTransitions": "9"}})
    assert (found.holder, found.process, found.token, found.expires_at, found.purpose) == ("x", None, 0, None, "")


@given(
    service=st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", fullmatch=True),
    environment=st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", fullmatch=True),
)
def test_every_name_of_the_configuration_makes_a_name_that_kubernetes_takes(service: str, environment: str) -> None:
    import re

    name = lease_name(service, environment)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name)
    assert len(name) <= 253


def test_names_that_look_alike_are_told_apart() -> None:
    pairs = [("a-b", "c"), ("a", "b-c"), ("a.b", "c"), ("a", "b.c"), ("a_b", "c"), ("a", "b_c"), ("a-b-c", "prod")]
    names = [lease_name(*pair) for pair in pairs]
    assert len(set(names)) == len(pairs)
    assert lease_name("recommender", "prod") == "headgate.recommender.prod"
