"""Forms of answers: authentication, crumbs, and the published schemas of the remote access API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jenkinsapi.jenkins import Jenkins

from cicd.sandbox.jenkins.shapes import cut_tree
from tests.testing.jenkins import World, jenkinsfile, running_jenkins

SCHEMAS = yaml.safe_load((Path(__file__).parents[3] / "samples" / "jenkins" / "schemas.yaml").read_text())[
    "components"
]["schemas"]
# The schemas were derived from one controller's answers: where those held null, they say "string".
NULL_WHEN_RECORDED = {"lastFailedBuild", "lastUnstableBuild", "lastUnsuccessfulBuild", "queueItem", "executor"}
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_jenkins(tmp_path_factory.mktemp("jenkins")) as world:
        world.sandbox.create_job("release", repo=world.repo, jenkinsfile=jenkinsfile("echo hello"))
        world.sandbox.create_job("folder/inner/release", repo=world.repo, jenkinsfile=jenkinsfile("exit 1"))
        for name in ("release", "folder/inner/release"):
            world.sandbox.enqueue(name, {"SERVICE": "recommender"})
        world.sandbox.wait_idle()
        yield world


def ask(world: World, path: str, method: str = "GET", **rest: Any) -> requests.Response:
    rest.setdefault("auth", (world.sandbox.user, world.sandbox.token))
    return requests.request(method, world.sandbox.url + path, timeout=60, allow_redirects=False, **rest)


def crumb(world: World) -> dict[str, str]:
    issued = ask(world, "/crumbIssuer/api/json").json()
    return {issued["crumbRequestField"]: issued["crumb"]}


def check(value: Any, schema: Mapping[str, Any], where: str) -> None:
    """Every field that the schema names and the answer has is null or of the schema's type."""
    schema = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if value is None:
        return
    assert isinstance(value, TYPES[schema["type"]]), where
    if isinstance(value, list):
        for item in value:
            check(item, schema["items"], f"{where}[]")
    if isinstance(value, dict):
        for name, below in schema.get("properties", {}).items():
            if name in value and name not in NULL_WHEN_RECORDED:
                check(value[name], below, f"{where}.{name}")


@pytest.mark.parametrize(
    ("path", "schema", "fields"),
    [
        ("/api/json", "Hudson", "mode numExecutors jobs useCrumbs useSecurity views primaryView quietingDown"),
        ("/crumbIssuer/api/json", "DefaultCrumbIssuer", "crumb crumbRequestField"),
        (
            "/job/release/api/json",
            "FreeStyleProject",
            "name url color actions displayName fullName buildable builds inQueue lastBuild nextBuildNumber concurrentBuild",
        ),
        (
            "/job/release/1/api/json",
            "FreeStyleBuild",
            "number url actions building displayName duration fullDisplayName id queueId result timestamp",
        ),
        ("/job/folder/job/inner/job/release/lastBuild/api/json", "FreeStyleBuild", "number result"),
        ("/queue/api/json", "Queue", "items"),
        (
            "/queue/item/1/api/json",
            "QueueLeftItem",
            "id why cancelled executable actions task inQueueSince stuck blocked",
        ),
    ],
)
def test_answers_have_the_published_form(world: World, path: str, schema: str, fields: str) -> None:
    answer = ask(world, path)
    assert answer.status_code == 200
    assert answer.headers["X-Jenkins"]
    check(answer.json(), SCHEMAS[schema], schema)
    assert set(fields.split()) <= set(answer.json())
    assert set(fields.split()) <= set(SCHEMAS[schema]["properties"])


def test_a_waiting_item_has_the_published_form(world: World) -> None:
    world.sandbox.hold_queue()
    try:
        item = world.sandbox.enqueue("release", {"SERVICE": "waits"})
        waiting = ask(world, "/queue/api/json").json()
        check(waiting, SCHEMAS["Queue"], "Queue")
        assert waiting["items"][0]["why"]
        single = ask(world, f"/queue/item/{item.id}/api/json").json()
        assert "executable" not in single
        ask(world, f"/queue/cancelItem?id={item.id}", "POST", headers=crumb(world))
        assert ask(world, f"/queue/item/{item.id}/api/json").json()["cancelled"] is True
    finally:
        world.sandbox.hold_queue(False)


def test_who_may_what(world: World) -> None:
    path = "/job/release/buildWithParameters"
    reader = ("reader", world.sandbox.add_user("reader", may_build=False))
    assert ask(world, "/api/json", auth=None).status_code == 403
    assert ask(world, "/api/json", auth=(world.sandbox.user, "wrong")).status_code == 401
    assert ask(world, "/api/json", auth=("nobody", "wrong")).status_code == 401
    assert ask(world, "/api/json", auth=reader).status_code == 200
    without = ask(world, path, "POST")
    assert (without.status_code, "No valid crumb" in without.text) == (403, True)
    assert ask(world, path, "POST", auth=reader, headers=crumb(world)).status_code == 403


def test_a_build_is_started_and_points_into_the_queue(world: World) -> None:
    answer = ask(world, "/job/release/buildWithParameters", "POST", headers=crumb(world), data={"SERVICE": "a&b=c"})
    assert answer.status_code == 201
    world.sandbox.wait_idle()
    item = requests.get(
        answer.headers["Location"] + "api/json", auth=(world.sandbox.user, world.sandbox.token), timeout=10
    ).json()
    build = ask(world, f"/job/release/{item['executable']['number']}/api/json").json()
    values = {p["name"]: p["value"] for action in build["actions"] for p in action.get("parameters", [])}
    assert values["SERVICE"] == "a&b=c"
    assert build["queueId"] == item["id"]


def test_what_does_not_exist_or_fit(world: World) -> None:
    assert ask(world, "/job/none/api/json").status_code == 404
    assert ask(world, "/job/release/99/api/json").status_code == 404
    assert ask(world, "/queue/item/999/api/json").status_code == 404
    assert ask(world, "/job/release/build", "POST", headers=crumb(world)).status_code == 400


def test_the_console_comes_in_parts(world: World) -> None:
    path = "/job/release/1/logText/progressiveText"
    whole = ask(world, "/job/release/1/consoleText").text
    first = ask(world, path, params={"start": 0})
    assert first.text == whole
    assert int(first.headers["X-Text-Size"]) == len(whole.encode())
    assert "X-More-Data" not in first.headers
    assert ask(world, path, params={"start": len(whole.encode()) - 9}).text == whole[-9:]


def test_jenkinsapi_finds_jobs_in_folders_and_reads_builds(world: World) -> None:
    jenkins = Jenkins(world.sandbox.url, world.sandbox.user, world.sandbox.token)
    try:
        assert sorted(jenkins.keys()) == ["folder/inner/release", "release"]
        build = jenkins.get_job("folder/inner/release").get_build(1)
        assert build.get_status() == "FAILURE"
        assert "exit 1" in build.get_console()
    finally:
        jenkins.requester.session.close()


@pytest.mark.parametrize(
    ("tree", "left"),
    [
        ("", {"_class": "c", "a": 1, "b": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}),
        ("a", {"_class": "c", "a": 1}),
        ("b[x]", {"_class": "c", "b": [{"x": 1}, {"x": 3}]}),
        ("a,b[y]{1,2}", {"_class": "c", "a": 1, "b": [{"y": 4}]}),
        ("b[x,y]{0,1}", {"_class": "c", "b": [{"x": 1, "y": 2}]}),
        ("none[x]", {"_class": "c"}),
    ],
)
def test_tree(tree: str, left: dict[str, Any]) -> None:
    assert cut_tree({"_class": "c", "a": 1, "b": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}, tree) == left
