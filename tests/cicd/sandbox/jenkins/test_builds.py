"""Builds that really run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicd.sandbox.jenkins.controller import Build
from tests.testing.jenkins import World, jenkinsfile, running_jenkins

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_jenkins(tmp_path_factory.mktemp("jenkins")) as world:
        world.sandbox.credentials["deploy-token"] = "s3cret-deploy-token"
        yield world


def build(
    world: World, name: str, text: str | None, wanted: dict[str, str] | None = None, **job: dict[str, str]
) -> Build:
    created = world.sandbox.create_job(name, repo=world.repo, jenkinsfile=text, **job)  # type: ignore[arg-type]
    return again(world, created.name, wanted)


def again(world: World, name: str, wanted: dict[str, str] | None = None) -> Build:
    item = world.sandbox.enqueue(name, wanted or {})
    world.sandbox.wait_for(lambda: item.build is not None and item.build.result is not None, timeout_s=30)
    assert item.build is not None
    return item.build


def test_scripts_see_parameters_environment_and_the_repository(world: World) -> None:
    script = (
        'echo "$SERVICE|$PLAIN|$FROM_JOB|$JOB_NAME|$BUILD_NUMBER|$BUILD_URL"; cat README; test "$PWD" = "$WORKSPACE"'
    )
    done = build(
        world,
        "team/env",
        jenkinsfile(script, sections="environment { PLAIN = 'plain' }"),
        {"SERVICE": "a b; rm -rf /", "UNDECLARED": "dropped"},
        environment={"FROM_JOB": "job"},
    )
    url = f"{world.sandbox.url}/job/team/job/env/1/"
    assert f"\na b; rm -rf /|plain|job|team/env|1|{url}\n" in done.text()
    assert "\ndelivery\n" in done.text()
    assert done.result == "SUCCESS"
    assert done.text().endswith("Finished: SUCCESS\n")
    assert "UNDECLARED" not in done.parameters


def test_credentials_are_masked(world: World) -> None:
    text = jenkinsfile("echo token $TOKEN", sections="environment { TOKEN = credentials('deploy-token') }")
    done = build(world, "masked", text)
    assert "\ntoken ****\n" in done.text()
    assert "s3cret" not in done.text()


def test_an_unknown_credential_fails_the_build(world: World) -> None:
    done = build(world, "unknown", jenkinsfile("true", sections="environment { TOKEN = credentials('none') }"))
    assert (done.result, "credentials entry with ID 'none'" in done.text()) == ("FAILURE", True)


def test_a_failed_step_ends_the_build_and_post_actions_run(world: World) -> None:
    post = """post {
        always { echo 'always ran'
                 archiveArtifacts artifacts: 'out/*' }
        failure { echo 'failure ran' }
        success { echo 'success ran' }
    }"""
    done = build(world, "failing", jenkinsfile("mkdir out; echo x > out/a; exit 4", "echo not reached", sections=post))
    text = done.text()
    assert done.result == "FAILURE"
    assert done.artifacts == ("out/a",)
    assert "ERROR: script returned exit code 4" in text
    assert "always ran" in text
    assert "failure ran" in text
    assert "success ran" not in text
    assert "not reached" not in text


def test_a_green_build_whose_post_action_fails_is_red(world: World) -> None:
    post = "post { always { archiveArtifacts artifacts: 'nothing/*' } }"
    assert build(world, "post", jenkinsfile("true", sections=post)).result == "FAILURE"


def test_a_timeout_aborts(world: World) -> None:
    done = build(world, "slow", jenkinsfile("sleep 300", sections="options { timeout(time: 1, unit: 'SECONDS') }"))
    assert done.result == "ABORTED"


def test_a_build_that_cannot_be_read_fails_with_the_line(world: World) -> None:
    job = world.sandbox.create_job("fromscm", repo=world.repo, branch="nowhere", parameters=["SERVICE"])
    assert again(world, job.name).result == "FAILURE"
    with pytest.raises(ValueError, match="WorkflowScript"):
        world.sandbox.create_job("broken", repo=world.repo, jenkinsfile="pipeline { agent any }")


def test_the_jenkinsfile_of_the_repository_teaches_its_parameters(world: World) -> None:
    job = world.sandbox.create_job("scm", repo=world.repo)
    assert not job.parameters
    assert "from the repository" in again(world, "scm").text()
    assert [parameter.name for parameter in job.parameters] == ["SERVICE", "HEADGATE_REQUEST"]


def test_builds_that_may_not_run_side_by_side_wait_and_say_why(world: World) -> None:
    text = jenkinsfile('test "$SERVICE" = quick || sleep 60', sections="options { disableConcurrentBuilds() }")
    job = world.sandbox.create_job("exclusive", repo=world.repo, jenkinsfile=text)
    first = world.sandbox.enqueue(job.name, {"SERVICE": "slow"})
    world.sandbox.wait_for(lambda: first.build is not None)
    second = world.sandbox.enqueue(job.name, {"SERVICE": "quick"})
    world.sandbox.wait_for(lambda: (second.why or "").startswith("Build #1 is already in progress"))
    assert world.sandbox.enqueue(job.name, {"SERVICE": "quick"}) is second
    assert first.build is not None
    world.sandbox.abort(first.build)
    world.sandbox.wait_for(lambda: second.build is not None and second.build.result == "SUCCESS", timeout_s=60)
    assert first.build.result == "ABORTED"


@pytest.mark.parametrize(("status", "result"), [(0, "SUCCESS"), (1, "FAILURE"), (4, "FAILURE")])
def test_the_delivery_job_of_this_project_passes_the_exit_code_on(
    world: World, tmp_path: Path, status: int, result: str
) -> None:
    program = tmp_path / "headgate"
    program.write_text(f'#!/bin/sh\nfor word; do echo "word:$word"; done\nexit {status}\n')
    program.chmod(0o755)
    for name in ("headgate-gitlab-token", "headgate-argocd-token"):
        world.sandbox.credentials[name] = f"{name}-value"
    name = f"delivery-{status}"
    text = (ROOT / "Jenkinsfile").read_text().replace('headgate "$@"', f'{program} "$@"')
    done = build(world, name, text, {"SERVICE": "a b", "VERSION": "1.2.0", "SOURCE_COMMIT": "abc"})
    words = [line.removeprefix("word:") for line in done.text().splitlines() if line.startswith("word:")]
    assert words == ["release", "start", "a b", "--env", "prod", "--version", "1.2.0", "--source-commit", "abc"]
    assert f"\nHEADGATE_EXIT={status}\n" in done.text()
    assert done.result == result
