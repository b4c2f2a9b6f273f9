"""What the node agent does about a list of pods, and what it says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.pods import (
    ADDRESS,
    ContainerSpec,
    Key,
    Plan,
    Pod,
    View,
    address_annotations,
    backoff_s,
    covers,
    free_address,
    parse_pod,
    plan,
    pod_status,
    scrape_targets,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
GOOD, UNKNOWN = "shop/recommender:1.0.0", "nginx:1"
KNOWN = frozenset({GOOD})
UP = View(port=4711, ready=True, started=NOW)
ENDED = View(port=4711, started=NOW, finished=NOW, exit_code=1)


def pod(uid: str = "a", *, image: str = GOOD, **more: Any) -> Pod:
    container = ContainerSpec(name="app", image=image, **more.pop("container", {}))
    return Pod(uid=uid, namespace="shop", name=f"pod-{uid}", containers=(container,), **more)


@pytest.mark.parametrize(
    ("pods", "views", "expected"),
    [
        ([pod()], {}, Plan(start=(("a", "app"),))),
        ([pod(image=UNKNOWN)], {}, Plan()),
        ([pod()], {("a", "app"): UP}, Plan()),
        ([pod()], {("a", "app"): View()}, Plan()),
        ([pod()], {("a", "app"): ENDED}, Plan(start=(("a", "app"),))),
        ([pod(restart_policy="Never")], {("a", "app"): ENDED}, Plan()),
        ([pod(restart_policy="OnFailure")], {("a", "app"): ENDED}, Plan(start=(("a", "app"),))),
        ([pod(status={"phase": "Failed"})], {}, Plan()),
        ([pod(deleting=True)], {("a", "app"): UP}, Plan(stop=(("a", "app"),))),
        ([pod(deleting=True)], {("a", "app"): View(stopping=True)}, Plan()),
        ([pod(deleting=True)], {("a", "app"): ENDED}, Plan(remove=("a",))),
        ([pod(deleting=True)], {}, Plan(remove=("a",))),
        ([], {("a", "app"): UP}, Plan(stop=(("a", "app"),))),
        ([], {("a", "app"): View(stopping=True)}, Plan()),
        ([], {("a", "app"): ENDED}, Plan(forget=(("a", "app"),))),
    ],
)
def test_plan(pods: list[Pod], views: dict[Key, View], expected: Plan) -> None:
    assert plan(pods, views, KNOWN, NOW) == expected


def test_a_container_that_crashes_again_has_to_wait() -> None:
    view = View(restarts=2, started=NOW, finished=NOW, exit_code=1)
    for seconds, starts in ((19.9, ()), (20.0, (("a", "app"),))):
        assert plan([pod()], {("a", "app"): view}, KNOWN, NOW + timedelta(seconds=seconds)).start == starts


def test_backoff_doubles_up_to_five_minutes() -> None:
    assert [backoff_s(restarts) for restarts in (0, 1, 2, 3, 50)] == [0, 10, 20, 40, 300]


states = st.sampled_from([View(), UP, ENDED, View(stopping=True), View(port=1, started=NOW, finished=NOW, exit_code=0)])
keys = st.sampled_from("abc").map(lambda uid: (uid, "app"))


@given(
    pods=st.lists(st.builds(pod, st.sampled_from("abc"), deleting=st.booleans()), unique_by=lambda item: item.uid),
    views=st.dictionaries(keys, states),
)
def test_nothing_is_started_twice_and_nothing_unwanted_stays(pods: list[Pod], views: dict[Key, View]) -> None:
    steps = plan(pods, views, KNOWN, NOW)
    alive = {key for key, view in views.items() if not view.exited}
    wanted = {(item.uid, "app") for item in pods if not item.deleting}
    assert not alive & set(steps.start)
    assert set(steps.start) <= wanted
    assert {key for key in alive - wanted if not views[key].stopping} == set(steps.stop)
    assert not {uid for uid, _ in alive} & set(steps.remove)


def status(item: Pod, view: View | None) -> dict[str, Any]:
    return pod_status(item, {} if view is None else {"app": view}, KNOWN, "10.88.0.2", NOW)


def ready(found: dict[str, Any]) -> str:
    return str(next(item["status"] for item in found["conditions"] if item["type"] == "Ready"))


@pytest.mark.parametrize(
    ("item", "view", "phase", "is_ready", "state"),
    [
        (pod(), None, "Pending", "False", {"waiting": {"reason": "ContainerCreating"}}),
        (pod(), View(), "Pending", "False", {"waiting": {"reason": "ContainerCreating"}}),
        (pod(), View(port=1, started=NOW), "Running", "False", {"running": {"startedAt": "2026-11-21T12:00:00Z"}}),
        (pod(), UP, "Running", "True", {"running": {"startedAt": "2026-11-21T12:00:00Z"}}),
        (pod(deleting=True), UP, "Running", "False", {"running": {"startedAt": "2026-11-21T12:00:00Z"}}),
    ],
)
def test_status(item: Pod, view: View | None, phase: str, is_ready: str, state: dict[str, Any]) -> None:
    found = status(item, view)
    assert (found["phase"], ready(found)) == (phase, is_ready)
    assert found["containerStatuses"][0]["state"] == state
    assert found["podIP"] == "10.88.0.2"


def test_an_unknown_image_is_told_as_a_kubelet_tells_it() -> None:
    waiting = status(pod(image=UNKNOWN), None)["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    assert UNKNOWN in waiting["message"]


def test_a_crash_is_told_with_its_exit_code_and_the_backoff() -> None:
    found = status(pod(), ENDED)
    container = found["containerStatuses"][0]
    assert (found["phase"], ready(found), container["ready"]) == ("Running", "False", False)
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 1


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
def test_a_pod_that_is_not_restarted_ends(code: int, phase: str) -> None:
    view = View(started=NOW, finished=NOW, exit_code=code)
    found = status(pod(restart_policy="Never"), view)
    assert found["phase"] == phase
    assert found["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code


def test_an_address_once_told_is_repeated() -> None:
    assert status(pod(status={"podIP": "10.88.3.9"}), UP)["podIPs"] == [{"ip": "10.88.3.9"}]


def test_conditions_of_others_are_kept_and_times_change_with_the_status_only() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-21T11:00:00Z"}
    was_ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T11:00:01Z"}
    item = pod(status={"conditions": [scheduled, was_ready]})
    kept = {found["type"]: found["lastTransitionTime"] for found in status(item, UP)["conditions"]}
    assert (kept["PodScheduled"], kept["Ready"]) == ("2026-11-21T11:00:00Z", "2026-11-21T11:00:01Z")
    lost = {found["type"]: found["lastTransitionTime"] for found in status(item, ENDED)["conditions"]}
    assert lost["Ready"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("view", [None, View(), UP, ENDED])
def test_what_was_told_is_not_told_again(view: View | None) -> None:
    first = status(pod(), view)
    observed = {**first, "qosClass": "BestEffort"}
    later = pod_status(
        pod(status=observed), {"app": view} if view else {}, KNOWN, "10.88.9.9", NOW + timedelta(hours=1)
    )
    assert covers(observed, later)


RAW: dict[str, Any] = {
    "metadata": {"uid": "u", "namespace": "shop", "name": "p", "labels": {"app": "recommender"}},
    "spec": {
        "containers": [
            {
                "name": "app",
                "image": GOOD,
                "env": [{"name": "SLOW_S", "value": "1"}, {"name": "POD", "valueFrom": {}}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
            },
            {"name": "side", "image": GOOD},
        ]
    },
}


def test_parse_pod_just_bound() -> None:
    found = parse_pod(RAW)
    assert (found.uid, found.restart_policy, found.deleting) == ("u", "Always", False)
    app, side = found.containers
    assert (app.probe, dict(app.environment), app.ran) == ("/ready", {"SLOW_S": "1"}, False)
    assert side.probe == "/healthz"


def test_parse_pod_left_by_another_agent() -> None:
    statuses = [{"name": "app", "restartCount": 2, "state": {"running": {}}, "lastState": {}}]
    metadata = {**RAW["metadata"], "deletionTimestamp": "2026-11-21T12:00:00Z", "deletionGracePeriodSeconds": 0}
    found = parse_pod({**RAW, "metadata": metadata, "status": {"containerStatuses": statuses}})
    assert (found.containers[0].restarts, found.containers[0].ran) == (2, True)
    assert (found.deleting, found.grace_s) == (True, 0.0)


@pytest.mark.parametrize(
    ("observed", "wanted", "expected"),
    [
        ({"a": 1, "b": None}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([{"a": 1, "x": None}], [{"a": 1}], True),
        ([{"a": 1}, {"a": 2}], [{"a": 1}], False),
        (None, {}, False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_covers(observed: Any, wanted: Any, expected: bool) -> None:
    assert covers(observed, wanted) is expected


def test_addresses_are_not_given_twice() -> None:
    taken: set[str] = set()
    for _ in range(300):
        taken.add(free_address(taken))
    assert len(taken) == 300
    assert "10.88.0.1" not in taken


def test_targets_are_the_listening_processes() -> None:
    labels = {"rollouts-pod-template-hash": "abc"}
    pods = [pod("b", labels=labels), pod("a"), pod("c"), pod("d")]
    views = {("b", "app"): UP, ("a", "app"): View(port=5), ("c", "app"): ENDED, ("d", "app"): View()}
    found = scrape_targets(pods, views)
    assert [item["targets"] for item in found] == [["127.0.0.1:5"], ["127.0.0.1:4711"]]
    assert found[0]["labels"] == {"namespace": "shop", "pod": "pod-a", "container": "app"}
    assert found[1]["labels"]["rollouts_pod_template_hash"] == "abc"


def test_annotations_say_where_the_pod_really_is() -> None:
    found = address_annotations(4711)
    assert (found[ADDRESS], found["prometheus.io/port"]) == ("127.0.0.1:4711", "4711")
