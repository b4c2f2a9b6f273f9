"""Merge request to merge, through python-gitlab and real Git."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gitlab.exceptions import GitlabMRClosedError

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
