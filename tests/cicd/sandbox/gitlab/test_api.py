"""Forms of answers: authentication, errors, pages, and the shapes of GitLab's API documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cicd.sandbox.gitlab.sandbox import Role
from tests.testing.gitlab import World, running_gitlab


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_gitlab(tmp_path_factory.mktemp("gitlab"), {"README": "shop\n"}) as world:
        world.push({"a": "a"}, "Change")
        with world.client() as client:
            project = client.projects.get(world.project.path)
            project.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "Change"})
        yield world


def ask(
    world: World, path: str, method: str = "GET", headers: dict[str, str] | None = None, **rest: Any
) -> requests.Response:
    headers = {"PRIVATE-TOKEN": world.token} if headers is None else headers
    return requests.request(method, f"{world.sandbox.url}/api/v4{path}", headers=headers, timeout=60, **rest)


PROJECT = "/projects/shop%2Fdata-platform"


@pytest.mark.parametrize("name", ["PRIVATE-TOKEN", "Authorization"])
def test_the_ways_to_authenticate(world: World, name: str) -> None:
    value = f"Bearer {world.token}" if name == "Authorization" else world.token
    assert ask(world, "/user", headers={name: value}).json()["username"] == "headgate-bot"


@pytest.mark.parametrize(
    "headers", [{}, {"PRIVATE-TOKEN": "glpat-x"}, {"JOB-TOKEN": "glcbt-x"}, {"Authorization": "Basic x"}]
)
def test_without_a_valid_token(world: World, headers: dict[str, str]) -> None:
    answer = ask(world, "/user", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "401 Unauthorized"})


def test_a_personal_token_is_no_job_token(world: World) -> None:
    assert ask(world, "/user", headers={"JOB-TOKEN": world.token}).status_code == 401


def test_a_missing_scope_and_a_missing_role(world: World) -> None:
    reading = {"PRIVATE-TOKEN": world.sandbox.token("reader", "read_api")}
    answer = ask(world, f"{PROJECT}/merge_requests/1/notes", "POST", reading, json={"body": "x"})
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    guest = {"PRIVATE-TOKEN": world.sandbox.token("guest", role=Role.GUEST)}
    answer = ask(world, f"{PROJECT}/merge_requests", headers=guest)
    assert (answer.status_code, answer.json()) == (403, {"message": "403 Forbidden"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/projects/shop%2Fnone", {"message": "404 Project Not Found"}),
        ("/projects/999", {"message": "404 Project Not Found"}),
        (f"{PROJECT}/merge_requests/99", {"message": "404 Not found"}),
        (f"{PROJECT}/repository/commits/{'0' * 40}", {"message": "404 Commit Not Found"}),
        (f"{PROJECT}/repository/branches/none", {"message": "404 Branch Not Found"}),
        (f"{PROJECT}/nonsense", {"error": "404 Not Found"}),
    ],
)
def test_what_does_not_exist(world: World, path: str, body: dict[str, str]) -> None:
    answer = ask(world, path)
    assert (answer.status_code, answer.json()) == (404, body)


def test_a_project_by_id_and_by_path(world: World) -> None:
    assert ask(world, f"/projects/{world.project.id}").json() == ask(world, PROJECT).json()


def test_missing_and_wrong_parameters(world: World) -> None:
    answer = ask(world, f"{PROJECT}/merge_requests", "POST", json={"title": "x"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "source_branch is missing, target_branch is missing"},
    )
    sha = world.project_git.rev_parse("main")
    answer = ask(world, f"{PROJECT}/statuses/{sha}", "POST", json={"state": "great"})
    assert (answer.status_code, answer.json()) == (400, {"error": "state does not have a valid value"})
    double = {"source_branch": "feature", "target_branch": "main", "title": "again"}
    assert ask(world, f"{PROJECT}/merge_requests", "POST", json=double).status_code == 409


def test_pages(world: World) -> None:
    world.push({"pages": "x"}, "Pages", branch="pages")
    data = {"source_branch": "pages", "target_branch": "main", "title": "Pages"}
    iid = ask(world, f"{PROJECT}/merge_requests", "POST", json=data).json()["iid"]
    notes = f"{PROJECT}/merge_requests/{iid}/notes"
    for number in range(45):
        ask(world, notes, "POST", json={"body": f"note {number}"})
    first = ask(world, f"{notes}?sort=asc")
    assert [note["body"] for note in first.json()] == [f"note {number}" for number in range(20)]
    names = ("X-Page", "X-Per-Page", "X-Prev-Page", "X-Next-Page", "X-Total", "X-Total-Pages")
    assert [first.headers[name] for name in names] == ["1", "20", "", "2", "45", "3"]
    last = ask(world, f"{notes}?sort=asc&page=3")
    assert len(last.json()) == 5
    assert "next" not in last.links
    assert len(ask(world, f"{notes}?per_page=1000").json()) == 45


# Field names that the examples of the API documentation show for each object.
FIELDS = {
    f"{PROJECT}/merge_requests/1": "id iid project_id title description state created_at updated_at target_branch"
    " source_branch author assignee source_project_id target_project_id labels draft milestone merge_status"
    " detailed_merge_status merge_error sha merge_commit_sha squash_commit_sha user_notes_count web_url references"
    " time_stats squash has_conflicts blocking_discussions_resolved diff_refs head_pipeline merged_by merged_at",
    f"{PROJECT}/merge_requests/1/notes": "id body attachment author created_at updated_at system noteable_id"
    " noteable_type project_id noteable_iid resolvable confidential internal imported imported_from",
    f"{PROJECT}/deployments": "id iid ref sha created_at updated_at status user environment deployable",
    f"{PROJECT}/repository/branches": "name commit merged protected developers_can_push developers_can_merge can_push"
    " default web_url",
    f"{PROJECT}/repository/commits": "id short_id created_at parent_ids title message author_name author_email"
    " authored_date committer_name committer_email committed_date web_url",
    f"{PROJECT}/pipelines": "id iid project_id sha ref status source created_at updated_at web_url",
    PROJECT: "id name path path_with_namespace default_branch visibility http_url_to_repo web_url namespace permissions"
    " only_allow_merge_if_pipeline_succeeds merge_method",
    "/version": "version revision",
    "/user": "id username name state avatar_url web_url",
}


@pytest.mark.parametrize("path", FIELDS)
def test_shapes(world: World, path: str) -> None:
    sha = world.project_git.rev_parse("main")
    ask(world, f"{PROJECT}/statuses/{sha}", "POST", json={"state": "success", "name": "seen"})
    data = {"environment": "prod", "sha": sha, "ref": "main", "tag": False, "status": "running"}
    ask(world, f"{PROJECT}/deployments", "POST", json=data)
    ask(world, f"{PROJECT}/merge_requests/1/notes", "POST", json={"body": "x"})
    found = ask(world, path).json()
    shown = found[0] if isinstance(found, list) else found
    assert set(FIELDS[path].split()) <= set(shown)


def test_only_the_author_may_change_a_note(world: World) -> None:
    note = ask(world, f"{PROJECT}/merge_requests/1/notes", "POST", json={"body": "mine"}).json()["id"]
    other = {"PRIVATE-TOKEN": world.sandbox.token("other")}
    path = f"{PROJECT}/merge_requests/1/notes/{note}"
    assert ask(world, path, "PUT", other, json={"body": "yours"}).status_code == 403
    assert ask(world, path, "DELETE", other).status_code == 403
    assert ask(world, path, "PUT", json={"body": "still mine"}).json()["body"] == "still mine"
    assert ask(world, path, "DELETE").status_code == 204
    assert ask(world, path).status_code == 404


def test_a_deployment_changes_once(world: World) -> None:
    data = {
        "environment": "e",
        "sha": world.project_git.rev_parse("main"),
        "ref": "main",
        "tag": False,
        "status": "running",
    }
    number = ask(world, f"{PROJECT}/deployments", "POST", json=data).json()["id"]
    assert (
        ask(world, f"{PROJECT}/deployments/{number}", "PUT", json={"status": "success"}).json()["status"] == "success"
    )
    assert ask(world, f"{PROJECT}/deployments/{number}", "PUT", json={"status": "failed"}).status_code == 400


def test_a_token_tells_its_scopes(world: World) -> None:
    reading = {"PRIVATE-TOKEN": world.sandbox.token("reader", "read_api", "read_user")}
    assert ask(world, "/personal_access_tokens/self", headers=reading).json()["scopes"] == ["read_api", "read_user"]


@pytest.mark.parametrize("ref", ["..", "--help", "a b", "refs/heads/x..y"])
def test_names_that_git_does_not_take(world: World, ref: str) -> None:
    assert ask(world, f"{PROJECT}/repository/commits", params={"ref_name": ref}).status_code in (400, 404)
