"""Merge request to merge, through python-gitlab and real Git."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitlab.exceptions import GitlabAuthenticationError, GitlabMRClosedError

from cicd.sandbox.gitlab.sandbox import Role
from tests.testing.gitlab import CI, World, running_gitlab


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_gitlab(tmp_path, {".gitlab-ci.yml": CI, "README": "shop\n"}) as world:
        yield world


def test_a_good_change_is_checked_and_merged(world: World) -> None:
    sha = world.push({"a.txt": "a\n"}, "Add a")
    with world.client() as client:
        project = client.projects.get("shop/data-platform")
        request = project.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "Add a"})
        assert request.sha == sha
        world.sandbox.wait_idle()
        request = project.mergerequests.get(request.iid)
        assert request.detailed_merge_status == "mergeable"
        assert request.head_pipeline["status"] == "success"
        request.merge()
        assert request.state == "merged"
        message = world.project_git.run("log", "-1", "--format=%B", "main")
        assert "See merge request shop/data-platform!1" in message
        world.sandbox.wait_idle()
        sources = [pipeline.source for pipeline in project.pipelines.list(get_all=True)]
        assert sources == ["push", "merge_request_event"]


def test_a_failed_pipeline_keeps_it_from_being_merged(world: World) -> None:
    world.push({"broken": "x\n"}, "Break")
    with world.client() as client:
        project = client.projects.get("shop/data-platform")
        request = project.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "Break"})
        world.sandbox.wait_idle()
        with pytest.raises(GitlabMRClosedError) as refused:
            request.merge()
        assert refused.value.response_code == 405
        assert project.mergerequests.get(1).detailed_merge_status == "ci_must_pass"


def test_every_push_gives_a_new_pipeline_with_the_merge_request_in_its_variables(world: World) -> None:
    ci = "job:\n  rules: [{if: '$CI_PIPELINE_SOURCE == \"merge_request_event\"'}]\n  script: env\n"
    base = world.project_git.rev_parse("main")
    world.push({".gitlab-ci.yml": ci}, "First")
    with world.client() as client:
        project = client.projects.get("shop/data-platform")
        request = project.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "Add"})
        sha = world.push({"b.txt": "b"}, "Second")
        world.sandbox.wait_idle()
        assert len(request.pipelines.list(get_all=True)) == 2
        newest = world.project.pipelines()[-1]
        trace = world.project.trace(newest, "job")
        for line in (
            "CI_MERGE_REQUEST_IID=1",
            f"CI_MERGE_REQUEST_DIFF_BASE_SHA={base}",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME=main",
            "CI_PIPELINE_SOURCE=merge_request_event",
            f"CI_COMMIT_SHA={sha}",
        ):
            assert f"\n{line}\n" in trace
        assert "\nCI_COMMIT_BRANCH=" not in trace


def change(world: World, title: str, files: dict[str, str], branch: str) -> int:
    world.work.run("checkout", "--quiet", "-B", branch, "origin/main")
    world.push(files, title, branch=branch)
    with world.client() as client:
        project = client.projects.get("shop/data-platform")
        return int(project.mergerequests.create({"source_branch": branch, "target_branch": "main", "title": title}).iid)


def refusal(world: World, iid: int, sha: str | None = None) -> tuple[int | None, str]:
    with world.client() as client, pytest.raises(GitlabMRClosedError) as refused:
        client.projects.get("shop/data-platform").mergerequests.get(iid).merge(sha=sha)
    return refused.value.response_code, str(refused.value.error_message)


def test_what_keeps_a_merge_request_from_being_merged(world: World) -> None:
    first = change(world, "One", {"README": "one\n"}, "one")
    second = change(world, "Two", {"README": "two\n"}, "two")
    draft = change(world, "Draft: three", {"c": "c"}, "three")
    world.sandbox.wait_idle()
    assert refusal(world, draft) == (405, "405 Method Not Allowed")
    assert refusal(world, first, sha="0" * 40) == (409, "SHA does not match HEAD of source branch")
    with world.client() as client:
        project = client.projects.get("shop/data-platform")
        project.mergerequests.get(first).merge(sha=world.project.merge_request(first).sha)
        assert project.mergerequests.get(second).detailed_merge_status == "conflict"
        assert refusal(world, second) == (422, "Branch cannot be merged")
        assert refusal(world, first)[0] == 405
        closed = project.mergerequests.get(second)
        closed.state_event = "close"
        closed.save()
        assert project.mergerequests.get(second).detailed_merge_status == "not_open"


def test_a_weak_role_may_not_merge(world: World) -> None:
    iid = change(world, "One", {"a": "a"}, "one")
    world.sandbox.wait_idle()
    weak = world.sandbox.token("watcher", role=Role.REPORTER)
    with world.client(weak) as client, pytest.raises(GitlabAuthenticationError, match="401"):
        client.projects.get("shop/data-platform").mergerequests.get(iid).merge()


def test_a_failed_status_posted_to_the_pipeline_blocks_the_merge(world: World) -> None:
    iid = change(world, "One", {"a": "a"}, "one")
    world.sandbox.wait_idle()
    with world.client() as client:
        project = client.projects.get("shop/data-platform")
        request = project.mergerequests.get(iid)
        commit = project.commits.get(request.sha)
        commit.statuses.create({"state": "failed", "name": "beside", "ref": "one"})
        assert project.mergerequests.get(iid).detailed_merge_status == "mergeable"
        assert [p.source for p in project.pipelines.list(get_all=True)] == ["external", "merge_request_event"]
        commit.statuses.create({"state": "failed", "name": "gate", "pipeline_id": request.head_pipeline["id"]})
        assert project.mergerequests.get(iid).detailed_merge_status == "ci_must_pass"


def test_merging_twice_at_the_same_time_merges_once(world: World) -> None:
    iid = change(world, "One", {"a": "a"}, "one")
    world.sandbox.wait_idle()
    before = len(world.project_git.run("rev-list", "main").split())
    codes: list[int | None] = []

    def merge() -> None:
        with world.client() as client:
            try:
                client.projects.get("shop/data-platform", lazy=True).mergerequests.get(iid, lazy=True).merge()
                codes.append(200)
            except GitlabMRClosedError as error:
                codes.append(error.response_code)

    threads = [threading.Thread(target=merge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes, key=str) == [200, 405, 405, 405]
    assert len(world.project_git.run("rev-list", "main").split()) == before + 2
