"""`headgate release` against the sandbox's Kubernetes and Argo CD over a real GitOps repository."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cicd.cli.main import main
from cicd.sandbox.kubernetes.cluster import Ref
from headgate.exit_codes import ExitCode
from observability.events import Kind
from observability.store import open_store
from tests.testing.release_world import ReleaseWorld, release_world, wait_until


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseWorld]:
    """Over Argo CD's server with the lock in Git; with the parameter `core` without that server, and with a Lease."""
    monkeypatch.delenv("HEADGATE_ARGOCD_TOKEN", raising=False)
    with release_world(tmp_path, core=getattr(request, "param", "server") == "core") as found:
        for name, value in found.environ.items():
            monkeypatch.setenv(name, value)
        yield found


both_modes = pytest.mark.parametrize("world", ["server", "core"], indirect=True)


@pytest.fixture(scope="module")
def standing_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseWorld]:
    """For tests that change nothing in it."""
    with release_world(tmp_path_factory.mktemp("world")) as found:
        found.publish("1.1.0")
        yield found


def _release(world: ReleaseWorld, verb: str, service: str, *arguments: str) -> int:
    return main(["--config", str(world.config), "release", verb, service, "--env", "prod", *arguments])


def _events(world: ReleaseWorld) -> list[Kind]:
    store = open_store("sqlite:///.headgate/events.db", root=world.config.parent)
    return [event.kind for event in store.read()]


def _converged(world: ReleaseWorld, service: str = "reco") -> None:
    status = world.application(service)["status"]
    assert (status["sync"]["status"], status["health"]["status"]) == ("Synced", "Healthy")
    assert status["sync"]["revision"] == world.repository.rev_parse("main")
    rollout = world.rollout(service)["status"]
    assert rollout["stableRS"] == rollout["currentPodHash"]
    assert not rollout.get("abort")
    assert not world.repository.run("for-each-ref", "refs/headgate").strip()
    leases = world.kubernetes.cluster.list("coordination.k8s.io", "Lease", "shop")
    assert [lease["spec"].get("holderIdentity") for lease in leases] == [None] * len(leases)
    assert len(leases) == ("HEADGATE_ARGOCD_TOKEN" not in world.environ)


@both_modes
def test_good_canary_is_promoted_and_everything_can_be_read_back(
    world: ReleaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.publish("1.1.0")
    before = world.file()
    assert _release(world, "start", "reco", "--version", "1.1.0", "--dry-run") == ExitCode.PASS
    assert "would change 1.0.0 -> 1.1.0" in capsys.readouterr().out
    assert len(world.messages()) == 1
    commit = "a" * 40
    assert (
        _release(world, "start", "reco", "--version", "1.1.0", "--source-commit", commit, "-o", "json") == ExitCode.PASS
    )
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert (data["ending"], data["exit_code"]) == ("promoted", 0)
    assert "error ratio 0.000 <= 0.020" in err
    assert world.file() == before.replace("shop/reco:1.0.0", "shop/reco:1.1.0")
    assert f"Source-Commit: {commit}" in world.messages()[-1]
    assert "Source-Repo: shop/data-platform" in world.messages()[-1]
    _converged(world)
    assert _events(world) == [Kind.SERVICE_UPGRADED]

    assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.PASS
    assert "live and healthy" in capsys.readouterr().out
    assert _release(world, "status", "reco", "-o", "json") == ExitCode.PASS
    assert json.loads(capsys.readouterr().out)["standing"] == "live"
    assert _release(world, "watch", "reco") == ExitCode.PASS
    assert _release(world, "resume", "reco") == ExitCode.PASS
    assert _release(world, "history", "reco", "-o", "json") == ExitCode.PASS
    out = capsys.readouterr().out
    assert json.loads(out[out.rindex("\n[") :])[0]["version"] == "1.1.0"
    assert len(world.messages()) == 2
    assert _release(world, "abort", "reco") == ExitCode.USAGE
    assert "no release under way" in capsys.readouterr().err

    assert _release(world, "rollback", "reco", "--yes", "--reason", "customers complain") == ExitCode.PASS
    assert world.file() == before
    assert "Headgate-Reason: customers complain" in world.messages()[-1]
    _converged(world)
    assert _events(world) == [Kind.SERVICE_UPGRADED, Kind.SERVICE_ROLLEDBACK]


@both_modes
def test_bad_canary_is_aborted_reverted_and_converged(world: ReleaseWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.publish("1.1.0", error_ratio=0.2)
    before, stable = world.file(), world.rollout()["status"]["stableRS"]
    assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.FAIL
    assert re.search(r"error ratio 0\.[12]\d\d > 0\.020 \(\d+\.\d+ s, canary, \d+ requests\)", capsys.readouterr().out)
    assert world.file() == before
    released, reverted = world.messages()[-2:]
    release_id = re.search(r"Headgate-Release: (\S+)", released)
    assert release_id is not None
    assert f"Headgate-Revert: {release_id.group(1)}" in reverted
    assert world.rollout()["status"]["stableRS"] == stable
    _converged(world)
    assert _events(world) == [Kind.SERVICE_ROLLEDBACK]
    assert _release(world, "watch", "reco") == ExitCode.FAIL


@both_modes
def test_blue_green_is_analysed_switched_and_soaked(world: ReleaseWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.publish("1.1.0", name="cat")
    assert _release(world, "start", "cat", "--version", "1.1.0") == ExitCode.PASS
    said = capsys.readouterr().err
    assert "preview" in said
    assert "passed the soak" in said
    status = world.rollout("cat")["status"]
    assert status["blueGreen"]["activeSelector"] == status["currentPodHash"]
    _converged(world, "cat")


def test_bad_preview_never_gets_traffic(world: ReleaseWorld) -> None:
    world.publish("1.1.0", name="cat", error_ratio=0.3)
    active = world.rollout("cat")["status"]["blueGreen"]["activeSelector"]
    assert _release(world, "start", "cat", "--version", "1.1.0") == ExitCode.FAIL
    assert world.rollout("cat")["status"]["blueGreen"]["activeSelector"] == active
    assert set(world.kubernetes.traffic.answered("cat")) == {active}
    _converged(world, "cat")


def test_pods_that_are_never_ready_are_turned_back_at_the_deadline(
    world: ReleaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.config.write_text(world.config.read_text().replace("deadline_s: 60.0", "deadline_s: 2"))
    world.publish("1.1.0", ready=False)
    assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.FAIL
    assert "the deadline passed" in capsys.readouterr().out
    _converged(world)


def test_analysis_that_sees_nothing_promotes_nothing(world: ReleaseWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.config.write_text(world.config.read_text().replace("total: http_requests_total", "total: other_total"))
    world.publish("1.1.0")
    assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.FAIL
    assert "no series of the total" in capsys.readouterr().out
    _converged(world)


def test_auto_sync_application_is_synced_to_the_branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with release_world(tmp_path, auto_sync=True) as world:
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        world.publish("1.1.0", error_ratio=0.3)
        assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.FAIL
        _converged(world)
        world.publish("1.2.0")
        assert _release(world, "start", "reco", "--version", "1.2.0") == ExitCode.PASS
        _converged(world)


def test_abort_from_another_terminal_is_noticed_by_the_run_that_drives(
    world: ReleaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.config.write_text(world.config.read_text().replace("count: 2", "count: 500"))
    world.publish("1.1.0")
    codes: list[int] = []

    def drive() -> None:
        from cicd import release as wiring
        from cicd.cli.context import App
        from deployments.release.model import ReleaseRequest

        with wiring.connect(App(config_path=str(world.config)), "reco", "prod") as connected:
            codes.append(connected.engine.start(ReleaseRequest(version="1.1.0")).exit_code)

    driver = threading.Thread(target=drive)
    driver.start()
    wait_until(lambda: world.rollout()["status"].get("phase") == "Paused", what="the first pause")
    config = world.config.read_text()
    assert _release(world, "abort", "reco") == ExitCode.PASS
    driver.join(timeout=30)
    assert codes == [ExitCode.FAIL]
    assert "another run holds the lock" in capsys.readouterr().err
    assert world.config.read_text() == config
    _converged(world)


def test_promotion_by_a_person_needs_no_evidence(world: ReleaseWorld) -> None:
    world.config.write_text(
        world.config.read_text().replace("count: 2", "count: 500").replace("deadline_s: 60.0", "deadline_s: 90")
    )
    world.publish("1.1.0")

    def drive() -> None:
        from cicd import release as wiring
        from cicd.cli.context import App
        from deployments.release.model import ReleaseRequest

        with wiring.connect(App(config_path=str(world.config)), "reco", "prod") as connected:
            connected.engine._say = _stop_at_pause
            with pytest.raises(KeyboardInterrupt):
                connected.engine.start(ReleaseRequest(version="1.1.0"))

    drive()
    assert world.rollout()["status"]["phase"] == "Paused"
    assert _release(world, "promote", "reco", "--yes", "--by", "ada") == ExitCode.PASS
    _converged(world)


def _stop_at_pause(line: str) -> None:
    if "gathering evidence" in line:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("change", "message", "code"),
    [
        ({"token": "wrong"}, r"does not accept the token.*HEADGATE_ARGOCD_TOKEN", ExitCode.USAGE),
        ({"token": ""}, r"HEADGATE_ARGOCD_TOKEN is not set", ExitCode.USAGE),
        ({"token": "reader"}, r"lacks rights.*applications, sync, default/reco", ExitCode.USAGE),
        ({"config": ("app: reco", "app: nosuch")}, r"has no application 'nosuch'", ExitCode.USAGE),
        ({"config": ("rollout: reco", "rollout: nosuch")}, r"nosuch not found as part of application", ExitCode.USAGE),
        ({"config": ("http://127.0.0.1:", "http://127.0.0.1:1/")}, r"no connection", ExitCode.UNDECIDED),
        ({"config": ("env.git", "nosuch.git")}, r"git clone failed", ExitCode.UNDECIDED),
        (
            {"config": ("file: reco/rollout.yaml", "file: reco/other.yaml")},
            r"no file 'reco/other.yaml'",
            ExitCode.USAGE,
        ),
        ({"config": ("containers[0]", "containers[7]")}, r"there is no key", ExitCode.USAGE),
        ({"config": ("steps: [25, 50]", "steps: [5, 50]")}, r"weights \[25, 50\].*expects \[5, 50\]", ExitCode.USAGE),
        ({"config": ("total: http_requests_total", "total: sum(x)")}, r"not a counter selector", ExitCode.USAGE),
        ({"version": "1 0"}, r"cannot be a version", ExitCode.USAGE),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_bad_input_is_one_paragraph_and_changes_nothing(
    standing_world: ReleaseWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    message: str,
    code: ExitCode,
) -> None:
    world = replace(standing_world, config=tmp_path / "headgate.yaml")
    world.config.write_text(standing_world.config.read_text())
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    token = change.get("token")
    if token is not None:
        monkeypatch.setenv("HEADGATE_ARGOCD_TOKEN", world.argocd.token("reader") if token == "reader" else str(token))
    replaced = change.get("config")
    if isinstance(replaced, tuple):
        world.config.write_text(world.config.read_text().replace(*replaced))
    assert _release(world, "start", "reco", "--version", str(change.get("version", "1.1.0"))) == code
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error
    assert error.startswith("headgate: error: ")
    assert len(world.messages()) == 1


def test_nothing_is_written_while_a_sync_window_is_closed(
    world: ReleaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = Ref(group="argoproj.io", version="v1alpha1", kind="AppProject", namespace="argocd", name="default")
    windows = [{"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}]
    world.kubernetes.cluster.update(ref, lambda project: project["spec"].update(syncWindows=windows))
    assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.UNDECIDED
    assert "Wait until the sync window of project default opens" in capsys.readouterr().err
    assert len(world.messages()) == 1
    assert not world.repository.run("for-each-ref", "refs/headgate").strip()


def test_nothing_is_written_when_the_pods_may_not_be_listed(
    world: ReleaseWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(world.environ["KUBECONFIG"]).read_text(encoding="utf-8")
    other = tmp_path / "other-kubeconfig"
    other.write_text(re.sub(r"token: [^\s,}]+", "token: nobody", text), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(other))
    assert _release(world, "start", "reco", "--version", "1.1.0") == ExitCode.USAGE
    assert "credentials in the kubeconfig" in capsys.readouterr().err
    assert len(world.messages()) == 1


@pytest.mark.parametrize("verb", ["start", "status", "history", "resume"])
def test_unknown_service_and_environment_name_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    config = tmp_path / "headgate.yaml"
    config.write_text("version: 1\nproject: p\n")
    more = ["--version", "1"] if verb == "start" else []
    assert main(["--config", str(config), "release", verb, "x", "--env", "prod", *more]) == ExitCode.USAGE
    assert "there is no environment 'prod'" in capsys.readouterr().err
