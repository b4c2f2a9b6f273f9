"""The jenkinsapi adapter against the sandbox's Jenkins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicd.jenkins.client import connect, job_path
from cicd.jenkins.outcome import exit_code
from cicd.jenkins.port import BuildOutcome, QueueItem
from cicd.sandbox.routing import Fault
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.exit_codes import ExitCode
from tests.testing.jenkins import World, jenkinsfile, running_jenkins

BUILD = r"/buildWithParameters$"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_jenkins(tmp_path_factory.mktemp("jenkins")) as world:
        create = world.sandbox.create_job
        create("release", repo=world.repo, jenkinsfile=jenkinsfile('echo "releasing $SERVICE"', "echo HEADGATE_EXIT=0"))
        create("delivery/prod/release", repo=world.repo, jenkinsfile=jenkinsfile("echo HEADGATE_EXIT=1; exit 1"))
        create("long", repo=world.repo, jenkinsfile=jenkinsfile("echo started; sleep 60"))
        create("bare", repo=world.repo, parameters=["SERVICE"], jenkinsfile=None)
        create("off", repo=world.repo, jenkinsfile=jenkinsfile("true"), enabled=False)
        yield world


@pytest.fixture(autouse=True)
def moving_queue(world: World) -> Iterator[None]:
    world.sandbox.router.requests.clear()
    yield
    world.sandbox.hold_queue(False)


def test_a_build_is_followed_to_its_end(world: World) -> None:
    shown: list[str] = []
    with world.jobs() as jobs:
        item = jobs.trigger("release", {"SERVICE": "catalogue"})
        result = jobs.wait(item, timeout_s=30, on_text=shown.append)
    assert result.outcome is BuildOutcome.SUCCESS
    assert result.headgate_exit == 0
    assert exit_code(result) is ExitCode.PASS
    assert "releasing catalogue" in "\n".join(shown)
    assert result.duration_s is not None
    assert result.duration_s > 0


def test_a_job_in_folders_that_fails(world: World) -> None:
    with world.jobs() as jobs:
        result = jobs.wait(jobs.trigger("delivery/prod/release", {}), timeout_s=30)
    assert (result.outcome, result.headgate_exit) == (BuildOutcome.FAILURE, 1)
    assert exit_code(result) is ExitCode.FAIL


def test_a_cancelled_item_ends_the_waiting(world: World) -> None:
    world.sandbox.hold_queue()
    with world.jobs() as jobs:
        item = jobs.trigger("release", {})
        world.sandbox.cancel_queue()
        result = jobs.wait(item, timeout_s=30)
    assert result.outcome is BuildOutcome.CANCELLED
    assert exit_code(result) is ExitCode.UNDECIDED


def test_an_aborted_build_is_undecided(world: World) -> None:
    with world.jobs() as jobs:
        item = jobs.trigger("long", {})
        job = world.sandbox.job("long")
        world.sandbox.wait_for(lambda: bool(job.builds) and "started" in job.builds[-1].text(), timeout_s=60)
        world.sandbox.abort(job.builds[-1])
        result = jobs.wait(item, timeout_s=30)
    assert result.outcome is BuildOutcome.ABORTED
    assert exit_code(result) is ExitCode.UNDECIDED


def test_time_runs_out_in_the_queue_and_says_why(world: World) -> None:
    world.sandbox.hold_queue()
    with world.jobs() as jobs:
        item = jobs.trigger("release", {})
        with pytest.raises(RemoteTimeoutError, match="Waiting for next available executor"):
            jobs.wait(item, timeout_s=0.05)
    world.sandbox.cancel_queue()


def test_an_item_that_the_queue_has_forgotten_is_found_by_its_build(world: World) -> None:
    with world.jobs() as jobs:
        item = jobs.trigger("release", {})
        world.sandbox.wait_idle()
        world.sandbox.forget_queue()
        assert jobs.wait(item, timeout_s=30).outcome is BuildOutcome.SUCCESS
        with pytest.raises(NotFoundError):
            jobs.wait(QueueItem(job="release", id=987654, request="nobody"), timeout_s=5)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(method="POST", path=BUILD, status=503, when="after"), id="answer lost to a proxy"),
        pytest.param(Fault(method="POST", path=BUILD, status=503, when="before"), id="request lost at a proxy"),
        pytest.param(Fault(method="POST", path=BUILD, delay_s=2.0), id="answer too late"),
    ],
)
def test_a_lost_answer_never_starts_a_second_build(world: World, fault: Fault) -> None:
    world.sandbox.hold_queue()
    builds = len(world.sandbox.job("release").builds)
    world.sandbox.inject(fault)
    with world.jobs(timeout_s=0.5) as jobs:
        item = jobs.trigger("release", {"SERVICE": "once"})
        world.sandbox.hold_queue(False)
        assert jobs.wait(item, timeout_s=30).outcome is BuildOutcome.SUCCESS
    world.sandbox.wait_idle()
    assert len(world.sandbox.job("release").builds) == builds + 1


def test_the_same_request_is_found_again_in_queue_and_history(world: World) -> None:
    world.sandbox.hold_queue()
    with world.jobs() as jobs:
        first = jobs.trigger("release", {}, request="request-1")
        assert jobs.trigger("release", {}, request="request-1") == first
        world.sandbox.hold_queue(False)
        world.sandbox.wait_idle()
        assert jobs.trigger("release", {}, request="request-1") == first
    assert world.posts() == 1


def test_requests_at_the_same_time_are_separate_builds(world: World) -> None:
    results: list[BuildOutcome] = []

    def release() -> None:
        with world.jobs() as jobs:
            results.append(jobs.wait(jobs.trigger("release", {}), timeout_s=60).outcome)

    before = len(world.sandbox.job("release").builds)
    threads = [threading.Thread(target=release) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [BuildOutcome.SUCCESS] * 4
    assert len(world.sandbox.job("release").builds) == before + 4


def test_a_crumb_that_has_ended_is_renewed(world: World) -> None:
    with world.jobs() as jobs:
        jobs.trigger("release", {})
        world.sandbox.renew_crumb()
        assert jobs.wait(jobs.trigger("release", {}), timeout_s=30).outcome is BuildOutcome.SUCCESS


@pytest.mark.parametrize(
    ("job", "error", "said"),
    [
        ("nowhere", NotFoundError, "deploy.jenkins.job"),
        ("bare", ConfigError, "HEADGATE_REQUEST"),
        ("off", RemoteStateError, "disabled"),
        ("a//b", ConfigError, "full name"),
        ("../a", ConfigError, "full name"),
    ],
)
def test_a_job_that_cannot_be_started(world: World, job: str, error: type[HeadgateError], said: str) -> None:
    with world.jobs() as jobs, pytest.raises(error, match=said):
        jobs.trigger(job, {"SERVICE": "x"})
    assert world.posts() == 0


def test_wrong_and_weak_credentials(world: World) -> None:
    with world.jobs(token="wrong-token") as jobs, pytest.raises(AuthenticationError, match="HEADGATE_JENKINS_TOKEN"):
        jobs.trigger("release", {})
    weak = world.sandbox.add_user("reader", may_build=False)
    with world.jobs(user="reader", token=weak) as jobs, pytest.raises(AuthenticationError, match="Job/Build"):
        jobs.trigger("release", {})


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429, times=9), RateLimitedError),
        (Fault(status=502, body="<html>bad gateway</html>", times=9), ServerFaultError),
        (Fault(truncate_at=10, times=9), ServerFaultError),
        (Fault(status=200, body="<html>log in</html>", times=9), ServerFaultError),
        (Fault(status=302, headers={"Location": "https://login.example.com"}, times=9), AuthenticationError),
    ],
)
def test_an_answer_that_cannot_be_used(tmp_path: Path, fault: Fault, error: type[HeadgateError]) -> None:
    with running_jenkins(tmp_path) as world:
        world.sandbox.create_job("release", repo=world.repo, jenkinsfile=jenkinsfile("true"))
        world.sandbox.inject(fault)
        with world.jobs() as jobs, pytest.raises(error):
            jobs.trigger("release", {})


def test_one_bad_answer_to_a_read_is_asked_again(world: World) -> None:
    with world.jobs() as jobs:
        item = jobs.trigger("release", {})
        world.sandbox.inject(Fault(method="GET", status=503))
        world.sandbox.inject(Fault(method="GET", truncate_at=3))
        assert jobs.wait(item, timeout_s=30).outcome is BuildOutcome.SUCCESS


def test_nobody_listens() -> None:
    environ = {"HEADGATE_JENKINS_USER": "ada", "HEADGATE_JENKINS_TOKEN": "secret-token"}
    with (
        connect("http://127.0.0.1:9", environ=environ) as jobs,
        pytest.raises(UnreachableError, match=r"deploy\.jenkins\.url"),
    ):
        jobs.trigger("release", {})


@pytest.mark.parametrize("given", [{}, {"HEADGATE_JENKINS_USER": "ada"}, {"HEADGATE_JENKINS_TOKEN": "secret-token"}])
def test_missing_credentials_are_named(given: dict[str, str]) -> None:
    with pytest.raises(AuthenticationError, match=r"HEADGATE_JENKINS_(USER|TOKEN) is not set"):
        connect("http://127.0.0.1:9", environ=given)


def test_job_path_quotes_each_part() -> None:
    assert job_path("a b/c%d") == "/job/a%20b/job/c%25d"
