"""Operations, auto-sync, self-heal and refreshes over time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicd.sandbox.argocd.controller import HISTORY, Timing, application_ref, request_operation
from cicd.sandbox.argocd.projects import project_ref
from cicd.sandbox.argocd.wire import REFRESH
from cicd.sandbox.kubernetes.cluster import Ref
from tests.cicd.sandbox.argocd.world import Bench, config_map

AUTOMATED = {"automated": {"selfHeal": True}}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.push({"app/x.yaml": config_map("x", v="1")})
        yield bench


def _state(bench: Bench) -> dict[str, Any]:
    found = bench.argo.application("app")["status"].get("operationState")
    return dict(found or {})


def test_an_operation_is_accepted_then_runs_then_ends(bench: Bench) -> None:
    bench.create()
    bench.call("POST", "/applications/app/sync", {"project": "default", "infos": [{"name": "headgate", "value": "n"}]})
    accepted = bench.argo.application("app")
    assert accepted["operation"]["info"] == [{"name": "headgate", "value": "n"}]
    assert "operationState" not in accepted["status"]
    bench.pass_time(0.1)
    assert _state(bench)["phase"] == "Running"
    assert "finishedAt" not in _state(bench)
    assert bench.live("x") is None
    bench.pass_time(0.4)
    ended = bench.argo.application("app")
    assert "operation" not in ended
    assert _state(bench)["phase"] == "Succeeded"
    assert _state(bench)["operation"]["info"] == [{"name": "headgate", "value": "n"}]
    assert _state(bench)["syncResult"]["revision"] == bench.git.rev_parse("main")
    assert bench.live("x") is not None
    assert ended["status"]["sync"]["status"] == "Synced"


@pytest.mark.parametrize("ended", [False, True], ids=["left waiting", "ended by its owner"])
def test_an_operation_put_into_the_object_waits_for_a_window_as_its_end_does(bench: Bench, ended: bool) -> None:
    """As on a real server: only the REST API refuses a sync while a window is closed."""
    bench.create()
    windows = [{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}]
    bench.cluster.update(project_ref("default"), lambda project: project["spec"].update(syncWindows=windows))
    operation = {"sync": {"revision": "main"}}
    bench.cluster.update(application_ref("app"), lambda app: request_operation(app, operation))
    bench.pass_time(1)
    assert (_state(bench)["phase"], _state(bench)["message"]) == ("Running", "Sync operation blocked by sync window")
    if ended:
        bench.cluster.update(
            application_ref("app"), lambda app: app["status"]["operationState"].update(phase="Terminating")
        )
        bench.pass_time(1)
        assert _state(bench)["phase"] == "Terminating"
    assert bench.live("x") is None
    bench.cluster.update(project_ref("default"), lambda project: project["spec"].pop("syncWindows"))
    bench.pass_time(1)
    assert _state(bench)["phase"] == ("Failed" if ended else "Succeeded")
    assert (bench.live("x") is None) is ended
    assert "operation" not in bench.argo.application("app")


def test_the_status_lags_behind_the_operation(bench: Bench) -> None:
    bench.create()
    bench.argo.timing = Timing(refresh_s=5)
    ended = bench.sync()
    assert ended["status"]["operationState"]["phase"] == "Succeeded"
    assert ended["status"]["sync"]["status"] == "OutOfSync"
    bench.pass_time(5)
    assert bench.argo.application("app")["status"]["sync"]["status"] == "Synced"


def test_a_push_is_seen_on_refresh_or_after_the_interval(bench: Bench) -> None:
    bench.create()
    bench.sync()
    bench.push({"app/x.yaml": config_map("x", v="2")})
    bench.pass_time(1)
    assert bench.argo.application("app")["status"]["sync"]["status"] == "Synced"
    bench.call("GET", "/applications/app?project=default&refresh=normal")
    assert bench.argo.application("app")["status"]["sync"]["status"] == "OutOfSync"
    bench.sync()
    bench.push({"app/x.yaml": config_map("x", v="3")})
    bench.pass_time(31)
    assert bench.argo.application("app")["status"]["sync"]["status"] == "OutOfSync"


def test_history_keeps_ten_and_numbers_on(bench: Bench) -> None:
    bench.create()
    for _ in range(HISTORY + 2):
        bench.sync()
    history = bench.argo.application("app")["status"]["history"]
    assert [entry["id"] for entry in history] == list(range(2, HISTORY + 2))


def test_a_dry_run_changes_nothing_and_leaves_no_history(bench: Bench) -> None:
    bench.create()
    app = bench.sync(dryRun=True)
    assert app["status"]["operationState"]["phase"] == "Succeeded"
    assert app["status"]["operationState"]["operation"]["sync"]["dryRun"] is True
    assert "history" not in app["status"]
    assert bench.live("x") is None


def test_what_git_no_longer_has_is_pruned_only_when_asked(bench: Bench) -> None:
    bench.push({"app/y.yaml": config_map("y")})
    bench.create()
    bench.sync()
    bench.git.run("rm", "--quiet", "app/y.yaml")
    bench.push({})
    kept = bench.sync()
    assert bench.live("y") is not None
    assert kept["status"]["sync"]["status"] == "OutOfSync"
    results = {item["name"]: item["status"] for item in kept["status"]["operationState"]["syncResult"]["resources"]}
    assert results == {"x": "Synced", "y": "PruneSkipped"}
    pruned = bench.sync(prune=True)
    assert bench.live("y") is None
    assert pruned["status"]["sync"]["status"] == "Synced"


def test_a_refused_object_fails_the_operation_and_nothing_is_applied(bench: Bench) -> None:
    bench.push({"app/bad.yaml": config_map("Not_Valid!")})
    bench.create()
    state = bench.sync()["status"]["operationState"]
    assert state["phase"] == "Failed"
    assert "one or more objects failed to apply, reason: ConfigMap" in state["message"]
    assert bench.live("x") is None


@pytest.mark.parametrize("revision", ["f" * 40, ""])
def test_without_a_target_state_the_operation_is_an_error(bench: Bench, revision: str) -> None:
    bench.create()
    bench.push({"app/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [}\n"})
    app = bench.sync(revision=revision)
    assert app["status"]["operationState"]["phase"] == "Error"
    assert app["status"]["operationState"]["message"].startswith("ComparisonError: ")
    assert app["status"]["sync"]["status"] == "Unknown"
    assert app["status"]["conditions"][0]["type"] == "ComparisonError"
    bench.push({"app/x.yaml": config_map("x")})
    assert "conditions" not in bench.sync()["status"]


def test_auto_sync_follows_the_branch(bench: Bench) -> None:
    bench.create(syncPolicy={"automated": {}})
    bench.pass_time(1)
    assert bench.live("x") is not None
    assert _state(bench)["operation"]["initiatedBy"] == {"automated": True}
    commit = bench.push({"app/x.yaml": config_map("x", v="2")})
    bench.call("GET", "/applications/app?project=default&refresh=normal")
    bench.pass_time(1)
    assert _state(bench)["syncResult"]["revision"] == commit


def test_auto_sync_tries_a_commit_once(bench: Bench) -> None:
    bench.push({"app/bad.yaml": config_map("Not_Valid!")})
    bench.create(syncPolicy=AUTOMATED)
    bench.pass_time(1)
    assert _state(bench)["phase"] == "Failed"
    finished = _state(bench)["finishedAt"]
    bench.pass_time(40)
    assert _state(bench)["finishedAt"] == finished


@pytest.mark.parametrize(("policy", "healed"), [(AUTOMATED, True), ({"automated": {}}, False), ({}, False)])
def test_self_heal(bench: Bench, policy: dict[str, Any], healed: bool) -> None:
    bench.create(syncPolicy=policy)
    bench.pass_time(1)
    bench.sync(revision="main")
    bench.pass_time(3)
    deployments = len(bench.argo.application("app")["status"]["history"])

    def by_hand(obj: dict[str, Any]) -> None:
        obj["data"]["v"] = "by hand"

    bench.cluster.update(Ref("", "v1", "ConfigMap", "shop", "x"), by_hand)
    bench.pass_time(1)
    live = bench.live("x")
    assert live is not None
    assert live["data"]["v"] == ("1" if healed else "by hand")
    app = bench.argo.application("app")
    assert app["status"]["sync"]["status"] == ("Synced" if healed else "OutOfSync")
    assert len(app["status"]["history"]) == deployments
    if healed:
        assert app["status"]["operationState"]["operation"]["sync"]["autoHealAttemptsCount"] == 1


def test_health_follows_the_cluster_without_moving_the_reconciliation_time(bench: Bench) -> None:
    service = "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: LoadBalancer}}"
    bench.push({"app/s.yaml": service})
    bench.create()
    app = bench.sync()
    assert app["status"]["health"]["status"] == "Progressing"
    bench.pass_time(3)

    def address(obj: dict[str, Any]) -> None:
        obj["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}

    bench.cluster.update(Ref("", "v1", "Service", "shop", "s"), address)
    lagging = bench.argo.application("app")
    assert lagging["status"]["health"]["status"] == "Progressing"
    assert {item["name"]: item.get("health") for item in lagging["status"]["resources"]}["s"] == {"status": "Healthy"}
    bench.pass_time(0.3)
    followed = bench.argo.application("app")
    assert followed["status"]["health"]["status"] == "Healthy"
    assert followed["status"]["reconciledAt"] == app["status"]["reconciledAt"]
    assert followed["status"]["health"]["lastTransitionTime"] > app["status"]["health"]["lastTransitionTime"]


def test_core_mode_the_objects_themselves_are_the_api(bench: Bench) -> None:
    """A refresh annotation and an operation written straight into the object work as well."""
    bench.create()
    commit = bench.push({"app/x.yaml": config_map("x", v="2")})

    def annotate(app: dict[str, Any]) -> None:
        app["metadata"].setdefault("annotations", {})[REFRESH] = "normal"

    bench.cluster.update(application_ref("app"), annotate)
    bench.pass_time(0.1)
    app = bench.argo.application("app")
    assert app["status"]["sync"]["revision"] == commit
    assert REFRESH not in app["metadata"].get("annotations", {})
    operation = {"sync": {"revision": commit}, "initiatedBy": {"username": "core"}}
    bench.cluster.update(application_ref("app"), lambda item: request_operation(item, operation))
    bench.pass_time(0.5)
    assert _state(bench)["phase"] == "Succeeded"
    live = bench.live("x")
    assert live is not None
    assert live["data"] == {"v": "2"}


def test_a_deleted_application_is_forgotten(bench: Bench) -> None:
    bench.create()
    bench.cluster.delete(application_ref("app"))
    bench.pass_time(1)
    assert bench.call("GET", "/applications/app?project=default").status_code == 404
