"""SIGKILL of a real `headgate release start` at several moments; the same command again settles it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.exit_codes import ExitCode
from observability.events import Kind
from observability.store import open_store
from tests.testing.release_world import ReleaseWorld, release_world

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseWorld]:
    with release_world(tmp_path_factory.mktemp("world")) as found:
        yield found


def _start(world: ReleaseWorld, service: str, version: str) -> subprocess.Popen[str]:
    command = ["--config", str(world.config), "release", "start", service, "--env", "prod", "--version", version]
    return subprocess.Popen(
        [sys.executable, "-m", "cicd", *command],
        env=os.environ | world.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        cwd=world.config.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill_at(world: ReleaseWorld, service: str, version: str, moment: str) -> None:
    with _start(world, service, version) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if re.search(moment, line):
                process.kill()
                break
        else:
            raise AssertionError(f"{moment!r} was never said:\n{''.join(seen)}")
    assert process.returncode == -9


def _finish(world: ReleaseWorld, service: str, version: str) -> tuple[int, str]:
    with _start(world, service, version) as process:
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def _settled(world: ReleaseWorld, service: str, version: str) -> None:
    """One version everywhere: pods, Rollout, application, Git; nothing aborted, the lock free."""
    rollout = world.rollout(service)
    status = rollout["status"]
    assert (status["phase"], status["stableRS"]) == ("Healthy", status["currentPodHash"])
    assert not status.get("abort")
    image = rollout["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"shop/{service}:{version}"
    assert image in world.file(f"{service}/rollout.yaml")
    sync = world.application(service)["status"]["sync"]
    assert (sync["status"], sync["revision"]) == ("Synced", world.repository.rev_parse("main"))
    assert not world.repository.run("for-each-ref", "refs/headgate").strip()


def _commits(world: ReleaseWorld, service: str, version: str) -> tuple[int, int]:
    """Release commits of a version, and commits that turned it back."""
    messages = world.messages()
    releases = [text for text in messages if text.startswith(f"Release {service} {version} ")]
    reverts = [text for text in messages if text.startswith(f"Revert release of {service} {version} ")]
    return len(releases), len(reverts)


def _events(world: ReleaseWorld, service: str, version: str) -> list[Kind]:
    store = open_store("sqlite:///.headgate/events.db", root=world.config.parent)
    return [event.kind for event in store.read() if event.service == service and event.data.get("version") == version]


GOOD = [
    ("2.0.0", r"^release rel-"),
    ("2.2.0", r"step 1 of 4.*gathering"),
    ("2.3.0", r"step 1 of 4.*going on"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "moment"), GOOD, ids=[moment for _, moment in GOOD])
def test_good_release_killed_and_run_again_is_promoted_once(world: ReleaseWorld, version: str, moment: str) -> None:
    world.publish(version)
    _kill_at(world, "reco", version, moment)
    code, said = _finish(world, "reco", version)
    assert code == ExitCode.PASS, said
    assert "continuing release" in said
    _settled(world, "reco", version)
    assert _commits(world, "reco", version) == (1, 0)
    assert _events(world, "reco", version) == [Kind.SERVICE_UPGRADED]


BAD = [
    ("3.1.0", r"analysis FAIL"),
    ("3.2.0", r"aborting"),
    ("3.3.0", r"Git asks for"),
    ("3.4.0", r": settled"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "moment"), BAD, ids=[moment for _, moment in BAD])
def test_bad_release_killed_and_run_again_is_turned_back_once(world: ReleaseWorld, version: str, moment: str) -> None:
    before = re.search(r"shop/reco:(\S+)", world.file())
    assert before is not None
    world.publish(version, error_ratio=0.3)
    _kill_at(world, "reco", version, moment)
    code, said = _finish(world, "reco", version)
    assert code == ExitCode.FAIL, said
    assert "continuing" in said
    _settled(world, "reco", before.group(1))
    assert _commits(world, "reco", version) == (1, 1)
    assert _events(world, "reco", version) == [Kind.SERVICE_ROLLEDBACK]


@pytest.mark.slow
def test_blue_green_killed_in_its_soak_is_soaked_again(world: ReleaseWorld) -> None:
    world.publish("2.0.0", name="cat")
    _kill_at(world, "cat", "2.0.0", r"soaking")
    code, said = _finish(world, "cat", "2.0.0")
    assert code == ExitCode.PASS, said
    assert "passed the soak" in said
    _settled(world, "cat", "2.0.0")
    assert _commits(world, "cat", "2.0.0") == (1, 0)


@pytest.mark.slow
def test_cancelled_job_is_told_how_to_go_on(world: ReleaseWorld) -> None:
    world.publish("2.1.0", name="cat")
    with _start(world, "cat", "2.1.0") as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "gathering evidence" in line:
                process.terminate()
    assert process.returncode == ExitCode.INTERRUPTED
    assert "`headgate release resume cat --env prod` continues" in "".join(said)
    code, text = _finish(world, "cat", "2.1.0")
    assert code == ExitCode.PASS, text
    _settled(world, "cat", "2.1.0")
    assert _commits(world, "cat", "2.1.0") == (1, 0)


@pytest.fixture(scope="module")
def core_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseWorld]:
    with release_world(tmp_path_factory.mktemp("core"), core=True) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "moment", "good"),
    [("2.0.0", r"step 1 of 4.*going on", True), ("3.0.0", r"aborting", False)],
)
def test_the_same_without_argo_cd_s_server_and_with_a_lease(
    core_world: ReleaseWorld, version: str, moment: str, good: bool
) -> None:
    before = re.search(r"shop/reco:(\S+)", core_world.file())
    assert before is not None
    core_world.publish(version, error_ratio=0.0 if good else 0.3)
    _kill_at(core_world, "reco", version, moment)
    code, said = _finish(core_world, "reco", version)
    assert code == (ExitCode.PASS if good else ExitCode.FAIL), said
    assert "continuing" in said
    _settled(core_world, "reco", version if good else before.group(1))
    assert _commits(core_world, "reco", version) == (1, 0 if good else 1)
    (lease,) = core_world.kubernetes.cluster.list("coordination.k8s.io", "Lease", "shop")
    assert "holderIdentity" not in lease["spec"]
    assert lease["spec"]["leaseTransitions"] > 1


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("git", r"resources: \[applications\], resourceNames: \[reco\], verbs: \[patch\]"),
        (
            "lease",
            r"may not create leases\.coordination\.k8s\.io .*update leases.*resources: \[leases\], verbs: \[create\]",
        ),
    ],
)
def test_reader_of_the_cluster_is_told_the_rules_and_nothing_is_written(
    core_world: ReleaseWorld, tmp_path: Path, lock: str, said: str
) -> None:
    core_world.publish("4.0.0")
    text = core_world.config.read_text()
    config = core_world.config.with_name(f"{lock}.yaml")
    config.write_text(text.replace("lock: lease", f"lock: {lock}"))
    reader = core_world.kubernetes.kubeconfig(tmp_path / "reader", reader=True)
    world = replace(core_world, config=config, environ=core_world.environ | {"KUBECONFIG": str(reader)})
    leases = world.kubernetes.cluster.list("coordination.k8s.io", "Lease", "shop")
    before = world.repository.rev_parse("main")
    code, message = _finish(world, "reco", "4.0.0")
    assert code == ExitCode.USAGE
    assert re.search(said, message), message
    assert world.repository.rev_parse("main") == before
    assert not world.repository.run("for-each-ref", "refs/headgate").strip()
    assert world.kubernetes.cluster.list("coordination.k8s.io", "Lease", "shop") == leases
