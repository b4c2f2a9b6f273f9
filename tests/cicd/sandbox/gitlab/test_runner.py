"""Pipelines that really run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicd.sandbox.gitlab.model import Pipeline
from cicd.sandbox.gitlab.sandbox import GitLabSandbox, Variable
from tests.testing.gitlab import World, running_gitlab


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_gitlab(tmp_path_factory.mktemp("gitlab"), {"README": "shop\n"}) as world:
        yield world


def run(world: World, ci: str, *, wait: bool = True) -> Pipeline:
    """Push `ci` to the default branch and return the pipeline of that push."""
    world.work.run("checkout", "--quiet", "-B", "main", "origin/main")
    sha = world.push({".gitlab-ci.yml": ci}, "Change the pipeline", branch="main")
    world.project.refresh()
    if wait:
        world.sandbox.wait_idle(30)
    newest = world.project.pipelines()[-1]
    assert newest.sha == sha
    return newest


def statuses(pipeline: Pipeline) -> dict[str, str]:
    return {job.name: job.status for job in pipeline.jobs if not job.retried}


def test_scripts_see_the_predefined_and_project_variables(world: World) -> None:
    world.project.variables["TEAM"] = "shop"
    pipeline = run(world, 'variables: {WHO: "$TEAM-team"}\njob: {script: ["env | sort", "git status --short"]}')
    trace = world.project.trace(pipeline, "job")
    for line in (
        "CI=true",
        "WHO=shop-team",
        f"CI_COMMIT_SHA={pipeline.sha}",
        "CI_COMMIT_BRANCH=main",
        "CI_PIPELINE_SOURCE=push",
        f"CI_PROJECT_ID={world.project.id}",
        "CI_PROJECT_PATH=shop/data-platform",
        f"CI_API_V4_URL={world.sandbox.url}/api/v4",
        "GITLAB_USER_LOGIN=root",
    ):
        assert f"\n{line}\n" in trace
    assert "CI_MERGE_REQUEST_IID" not in trace
    assert pipeline.status == "success"


def test_secrets_and_the_job_token_are_masked_in_the_trace(world: World) -> None:
    world.project.variables["HEADGATE_GITLAB_TOKEN"] = world.token
    world.project.variables["PLAIN"] = Variable(value="not-a-secret")
    world.project.variables["HIDDEN"] = Variable(value="hide-me-please", masked=True)
    pipeline = run(world, "job: {script: ['echo $HEADGATE_GITLAB_TOKEN $PLAIN $HIDDEN $CI_JOB_TOKEN']}")
    trace = world.project.trace(pipeline, "job")
    assert "\n[MASKED] not-a-secret [MASKED] [MASKED]\n" in trace


def test_a_failure_stops_later_stages(world: World) -> None:
    pipeline = run(
        world,
        """
        stages: [one, two]
        bad: {stage: one, script: ["false | true", "echo not reached"]}
        side: {stage: one, script: "true"}
        late: {stage: two, script: "true"}
        clean: {stage: two, script: "true", when: always}
        rescue: {stage: two, script: "true", when: on_failure}
        free: {stage: two, script: "true", needs: [side]}
        """,
    )
    assert statuses(pipeline) == {
        "bad": "failed",
        "side": "success",
        "late": "skipped",
        "clean": "success",
        "rescue": "success",
        "free": "success",
    }
    assert pipeline.status == "failed"
    assert "\nnot reached" not in world.project.trace(pipeline, "bad")
    assert "ERROR: Job failed: exit code 1" in world.project.trace(pipeline, "bad")


def test_allowed_failures_retries_and_manual_jobs(world: World) -> None:
    pipeline = run(
        world,
        """
        soft: {script: exit 1, allow_failure: true}
        coded: {script: exit 4, allow_failure: {exit_codes: [4]}}
        again: {script: exit 4, retry: {max: 2, exit_codes: [4]}, allow_failure: true}
        once: {script: exit 1, retry: {max: 2, exit_codes: [4]}, allow_failure: true}
        hand: {script: "true", when: manual}
        """,
    )
    assert pipeline.status == "success"
    tries = {name: sum(job.name == name for job in pipeline.jobs) for name in statuses(pipeline)}
    assert tries == {"soft": 1, "coded": 1, "again": 3, "once": 1, "hand": 1}
    assert statuses(pipeline)["hand"] == "manual"
    assert [job.exit_code for job in pipeline.jobs if job.name == "again"] == [4, 4, 4]


def test_artifacts_reach_later_stages_and_the_api(world: World) -> None:
    pipeline = run(
        world,
        """
        stages: [one, two]
        make:
          stage: one
          script: ["mkdir out", "echo made > out/a.txt", "echo '<x/>' > report.xml", "exit 1"]
          allow_failure: true
          artifacts: {paths: [out], when: always, reports: {junit: report.xml}}
        use: {stage: two, script: ["cat out/a.txt", "test ! -e report.xml"]}
        """,
    )
    assert pipeline.status == "success"
    assert (world.project.artifacts(pipeline, "make") / "report.xml").exists()
    make = next(job for job in pipeline.jobs if job.name == "make")
    with world.client() as client:
        job = client.projects.get(world.project.path).jobs.get(make.id)
        assert job.artifact("out/a.txt") == b"made\n"
        assert b"echo made" in job.trace()


def test_an_environment_makes_a_deployment(world: World) -> None:
    pipeline = run(world, "ship: {script: 'true', environment: {name: review/main}}")
    with world.client() as client:
        found = client.projects.get(world.project.path).deployments.list(environment="review/main", get_all=True)
    assert [(item.status, item.sha) for item in found] == [("success", pipeline.sha)]


ASK = """
import os, urllib.error, urllib.request
for path in ("job", "projects/" + os.environ["CI_PROJECT_ID"] + "/merge_requests"):
    request = urllib.request.Request(os.environ["CI_API_V4_URL"] + "/" + path)
    request.add_header("JOB-TOKEN", os.environ["CI_JOB_TOKEN"])
    try:
        with urllib.request.urlopen(request) as answer:
            print(path.split("/")[0], answer.status)
    except urllib.error.HTTPError as error:
        print(path.split("/")[0], error.code)
"""


def test_the_job_token_opens_its_own_job_but_not_merge_requests(world: World) -> None:
    pipeline = run(world, json.dumps({"job": {"script": f"python -c '{ASK}'"}}))
    trace = world.project.trace(pipeline, "job")
    assert "\njob 200\n" in trace
    assert "\nprojects 401\n" in trace


def test_a_job_that_takes_too_long_is_ended_with_its_children(world: World) -> None:
    pipeline = run(world, "slow: {timeout: 1s, script: ['sleep 300 & sleep 300']}")
    assert "longer than the job's timeout" in world.project.trace(pipeline, "slow")
    assert pipeline.status == "failed"


def test_a_running_pipeline_can_be_cancelled(world: World) -> None:
    pipeline = run(
        world,
        "stages: [a, b]\nslow: {stage: a, script: [echo begun, sleep 300]}\nlate: {stage: b, script: 'true'}",
        wait=False,
    )
    world.sandbox.wait_for(lambda: "\nbegun" in world.project.trace(pipeline, "slow"), timeout_s=60)
    with world.client() as client:
        client.projects.get(world.project.path).pipelines.get(pipeline.id).cancel()
    world.sandbox.wait_idle(20)
    assert statuses(pipeline) == {"slow": "canceled", "late": "canceled"}
    assert pipeline.status == "canceled"


def test_a_broken_file_fails_the_pipeline_and_says_why(world: World) -> None:
    pipeline = run(world, "job: {stage: nowhere, script: x}")
    assert pipeline.status == "failed"
    with world.client() as client:
        found = client.projects.get(world.project.path).pipelines.get(pipeline.id)
    assert "chosen stage nowhere does not exist" in found.yaml_errors


def test_nothing_of_a_job_is_left_in_the_builds_folder(world: World, tmp_path: Path) -> None:
    pipeline = run(world, f"job: {{script: ['echo $CI_PROJECT_DIR > {tmp_path}/where']}}")
    assert pipeline.status == "success"
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_stopping_ends_running_jobs_with_their_children(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; sleep 300"
    with running_gitlab(tmp_path, {"README": "shop\n"}) as world:
        run(world, json.dumps({"job": {"script": script}}), wait=False)
        world.sandbox.wait_for(
            lambda: bool((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()), timeout_s=20
        )
    with pytest.raises(ProcessLookupError):
        os.killpg(int((tmp_path / "pid").read_text()), 0)


def test_starting_and_stopping_twice_is_harmless(tmp_path: Path) -> None:
    sandbox = GitLabSandbox(tmp_path)
    sandbox.stop()
    before = {thread for thread in threading.enumerate() if thread.name.startswith("sandbox-")}
    sandbox = GitLabSandbox(tmp_path)
    sandbox.start()
    sandbox.start()
    started = [t.name for t in threading.enumerate() if t.name.startswith("sandbox-") and t not in before]
    assert started.count("sandbox-gitlab") == 1
    sandbox.stop()
    sandbox.stop()
    assert {t for t in threading.enumerate() if t.name.startswith("sandbox-")} <= before
