"""The python-gitlab adapter against the sandbox's GitLab, faults included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicd.gitlab.forge import GitLabForge, connect, find_token
from cicd.gitlab.port import CommitState, CommitStatus, DeploymentRecord, DeploymentState, NoteChange
from cicd.sandbox.gitlab.sandbox import Role
from cicd.sandbox.routing import Fault
from headgate.errors import (
    AuthenticationError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import Secret
from tests.testing.gitlab import CI, World, running_gitlab

NOTES = r"/notes$"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_gitlab(tmp_path_factory.mktemp("gitlab"), {"README": "shop\n"}) as world:
        yield world


@pytest.fixture
def iid(world: World, request: pytest.FixtureRequest) -> int:
    """A fresh merge request."""
    branch = "".join(c if c.isalnum() else "-" for c in request.node.name)
    world.work.run("checkout", "--quiet", "main")
    world.push({f"{branch}.txt": branch}, "Change", branch=branch)
    with world.client() as client:
        project = client.projects.get(world.project.path)
        created = project.mergerequests.create({"source_branch": branch, "target_branch": "main", "title": branch})
    return int(created.iid)


def bodies(world: World, iid: int) -> list[str]:
    return [note.body for note in world.project.merge_request(iid).notes]


def test_one_note_is_updated_in_place(world: World, iid: int) -> None:
    with world.forge() as forge:
        assert forge.put_note(iid, "gate", "first") is NoteChange.CREATED
        assert forge.put_note(iid, "gate", "second") is NoteChange.UPDATED
        assert forge.put_note(iid, "gate", "second") is NoteChange.UNCHANGED
        assert forge.put_note(iid, "release", "another") is NoteChange.CREATED
    found = bodies(world, iid)
    assert len(found) == 2
    assert found[0].endswith("second")
    assert found[1].endswith("another")


def test_the_note_is_found_behind_more_than_a_page_of_others(world: World, iid: int) -> None:
    with world.forge() as forge:
        forge.put_note(iid, "gate", "first")
        request = world.project.merge_request(iid)
        with world.client() as client:
            notes = client.projects.get(world.project.path).mergerequests.get(iid).notes
            for number in range(120):
                notes.create({"body": f"talk {number}"})
        assert forge.put_note(iid, "gate", "second") is NoteChange.UPDATED
    assert sum("headgate:note:gate" in note.body for note in request.notes) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_refused_or_lost_answer_never_doubles_the_note(world: World, iid: int, status: int, when: str) -> None:
    world.sandbox.inject(Fault(method="POST", path=NOTES, status=status, when=when))
    with world.forge() as forge:
        forge.put_note(iid, "gate", "text")
    assert len(bodies(world, iid)) == 1


def test_an_answer_that_comes_too_late_never_doubles_the_note(world: World, iid: int) -> None:
    world.sandbox.inject(Fault(method="POST", path=NOTES, delay_s=2.0))
    with world.forge(timeout_s=0.5) as forge:
        forge.put_note(iid, "gate", "text")
    assert len(bodies(world, iid)) == 1


def test_an_answer_that_is_cut_off_never_doubles_the_note(world: World, iid: int) -> None:
    world.sandbox.inject(Fault(method="POST", path=NOTES, truncate_at=12))
    with world.forge() as forge:
        forge.put_note(iid, "gate", "text")
    assert len(bodies(world, iid)) == 1


def test_a_server_that_stays_down_is_said_so(world: World, iid: int) -> None:
    world.sandbox.inject(Fault(method="POST", path=NOTES, status=503, times=3))
    with world.forge() as forge, pytest.raises(ServerFaultError, match="503"):
        forge.put_note(iid, "gate", "text")
    assert bodies(world, iid) == []


def test_pipelines_at_the_same_time_leave_one_note(world: World, iid: int) -> None:
    failures: list[Exception] = []
    start = threading.Barrier(6)

    def post(number: int) -> None:
        try:
            with world.forge() as forge:
                start.wait()
                forge.put_note(iid, "gate", f"text {number}")
        except HeadgateError as error:
            failures.append(error)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.forge() as forge:
        forge.put_note(iid, "gate", "last")
    assert [type(failure) for failure in failures if not isinstance(failure, NotFoundError)] == []
    assert [body.splitlines()[-1] for body in bodies(world, iid)] == ["last"]


def test_a_note_of_somebody_else_with_our_marker_is_left_alone(world: World, iid: int) -> None:
    stranger = world.sandbox.token("stranger")
    with world.client(stranger) as client:
        request = client.projects.get(world.project.path).mergerequests.get(iid)
        request.notes.create({"body": "<!-- headgate:note:gate -->\nall is well"})
    with world.forge() as forge:
        assert forge.put_note(iid, "gate", "blocked") is NoteChange.CREATED
    assert [body.splitlines()[-1] for body in bodies(world, iid)] == ["all is well", "blocked"]


def test_secrets_do_not_reach_the_note(world: World, iid: int) -> None:
    secret = Secret("correct-horse-battery")
    with world.forge() as forge:
        forge.put_note(iid, "gate", f"password {secret.reveal()}")
    assert secret.reveal() not in bodies(world, iid)[0]


# commit statuses


def statuses(world: World, sha: str) -> dict[str, str]:
    with world.client() as client:
        commit = client.projects.get(world.project.path).commits.get(sha)
        return {status.name: status.status for status in commit.statuses.list(get_all=True)}


@pytest.mark.parametrize(
    "states",
    [
        (CommitState.RUNNING, CommitState.RUNNING, CommitState.SUCCESS),
        (CommitState.PENDING, CommitState.PENDING, CommitState.RUNNING, CommitState.FAILED),
        (CommitState.SUCCESS, CommitState.SUCCESS),
        (CommitState.FAILED, CommitState.RUNNING, CommitState.SUCCESS),
    ],
)
def test_statuses_may_be_repeated(world: World, iid: int, states: tuple[CommitState, ...]) -> None:
    sha = world.project.merge_request(iid).sha
    with world.forge() as forge:
        for state in states:
            forge.set_status(CommitStatus(sha=sha, name="headgate/unit", state=state, description="x" * 400))
    assert statuses(world, sha) == {"headgate/unit": states[-1].value}


def test_a_status_cannot_go_back_to_pending(world: World, iid: int) -> None:
    sha = world.project.merge_request(iid).sha
    with world.forge() as forge:
        forge.set_status(CommitStatus(sha=sha, name="headgate/unit", state=CommitState.RUNNING))
        with pytest.raises(ConflictError, match="same name"):
            forge.set_status(CommitStatus(sha=sha, name="headgate/unit", state=CommitState.PENDING))


def test_a_status_whose_answer_was_lost_is_not_sent_again(world: World, iid: int) -> None:
    sha = world.project.merge_request(iid).sha
    world.sandbox.inject(Fault(method="POST", path="/statuses/", status=503, when="after"))
    with world.forge() as forge:
        forge.set_status(CommitStatus(sha=sha, name="headgate/unit", state=CommitState.SUCCESS))
    with world.client() as client:
        commit = client.projects.get(world.project.path).commits.get(sha)
        assert len(commit.statuses.list(get_all=True, all=True)) == 1


def test_a_status_on_an_unknown_commit(world: World) -> None:
    with world.forge() as forge, pytest.raises(NotFoundError):
        forge.set_status(CommitStatus(sha="0" * 40, name="headgate/unit", state=CommitState.SUCCESS))


@pytest.mark.parametrize("known", [True, False])
def test_a_status_joins_the_pipeline_of_the_merge_request(tmp_path: Path, known: bool) -> None:
    with running_gitlab(tmp_path, {".gitlab-ci.yml": CI}) as world:
        sha = world.push({"a": "a"}, "Change")
        with world.client() as client:
            project = client.projects.get(world.project.path)
            project.mergerequests.create({"source_branch": "feature", "target_branch": "main", "title": "Change"})
        number = world.project.pipelines()[-1].id if known else 987654
        status = CommitStatus(
            sha=sha, name="headgate/unit", state=CommitState.FAILED, ref="feature", pipeline_id=number
        )
        with world.forge() as forge:
            forge.set_status(status)
        world.sandbox.wait_idle()
        assert [pipeline.source for pipeline in world.project.pipelines()] == ["merge_request_event"]
        assert world.project.pipelines()[-1].status == "failed"


# merge requests and deployments


def test_merge_request(world: World, iid: int) -> None:
    with world.forge() as forge:
        found = forge.fetch_merge_request(iid)
        assert (found.iid, found.state, found.target_branch, found.author) == (iid, "opened", "main", "headgate-bot")
        assert found.head_sha == world.project.merge_request(iid).sha
        assert found.base_sha == world.project_git.rev_parse("main")
        with pytest.raises(NotFoundError):
            forge.fetch_merge_request(987)


def test_a_deployment_is_one_record_from_start_to_end(world: World) -> None:
    sha = world.project_git.rev_parse("main")

    def record(forge: GitLabForge, state: DeploymentState, environment: str = "prod") -> int:
        return forge.record_deployment(DeploymentRecord(environment=environment, sha=sha, ref="main", state=state))

    with world.forge() as forge:
        world.sandbox.inject(Fault(method="POST", path="/deployments$", status=503, when="after"))
        first = record(forge, DeploymentState.RUNNING)
        assert record(forge, DeploymentState.RUNNING) == first
        assert record(forge, DeploymentState.SUCCESS) == first
        assert record(forge, DeploymentState.SUCCESS) == first
        assert record(forge, DeploymentState.RUNNING) != first
        assert record(forge, DeploymentState.RUNNING, "staging") != first
    with world.client() as client:
        found = client.projects.get(world.project.path).deployments.list(get_all=True)
    assert [(item.environment["name"], item.status) for item in found] == [
        ("prod", "success"),
        ("prod", "running"),
        ("staging", "running"),
    ]


# what goes wrong


def test_a_wrong_token_names_the_variable_and_the_scope(world: World) -> None:
    with world.forge("glpat-wrong-token-1") as forge, pytest.raises(AuthenticationError) as caught:
        forge.put_note(1, "gate", "text")
    assert "HEADGATE_GITLAB_TOKEN" in str(caught.value)
    assert "scope `api`" in str(caught.value)
    assert "Developer" in str(caught.value)
    assert "glpat-wrong-token-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "scope", "role"), [("reader", "read_api", Role.OWNER), ("guest", "api", Role.REPORTER)]
)
def test_a_weak_token(world: World, iid: int, user: str, scope: str, role: Role) -> None:
    token = world.sandbox.token(user, scope, role=role)
    sha = world.project.merge_request(iid).sha
    with world.forge(token) as forge, pytest.raises(AuthenticationError, match="lacks a permission"):
        forge.set_status(CommitStatus(sha=sha, name="headgate/unit", state=CommitState.SUCCESS))


def test_a_revoked_token(world: World) -> None:
    token = world.sandbox.token("leaver")
    world.sandbox.revoke(token)
    with world.forge(token) as forge, pytest.raises(AuthenticationError, match="revoked"):
        forge.fetch_merge_request(1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429, times=9), RateLimitedError),
        (Fault(status=503, times=9), ServerFaultError),
        (Fault(truncate_at=5, times=9), ServerFaultError),
        (
            Fault(status=200, body="<html>log in</html>", headers={"content-type": "text/html"}, times=9),
            ServerFaultError,
        ),
        (Fault(status=200, body="[]", headers={"content-type": "application/json"}, times=9), ServerFaultError),
        (Fault(status=200, body="{}", headers={"content-type": "application/json"}, times=9), ServerFaultError),
        (Fault(delay_s=1.0, times=3), RemoteTimeoutError),
    ],
)
def test_an_answer_that_cannot_be_used(world: World, iid: int, fault: Fault, error: type[HeadgateError]) -> None:
    fault.path = f"/merge_requests/{iid}$"
    world.sandbox.inject(fault)
    try:
        with world.forge(timeout_s=0.3) as forge, pytest.raises(error):
            forge.fetch_merge_request(iid)
    finally:
        fault.times = 0


def test_a_read_is_tried_again(world: World, iid: int) -> None:
    world.sandbox.inject(Fault(path=f"/merge_requests/{iid}$", status=503, times=2))
    with world.forge() as forge:
        assert forge.fetch_merge_request(iid).iid == iid


def test_an_unknown_project(world: World) -> None:
    environ = {"HEADGATE_GITLAB_TOKEN": world.token}
    with (
        connect(world.sandbox.url, "shop/nowhere", environ=environ) as forge,
        pytest.raises(NotFoundError, match="Project"),
    ):
        forge.fetch_merge_request(1)


def test_nobody_listens(world: World) -> None:
    from tests.testing.stepped_clock import SteppedClock

    environ = {"HEADGATE_GITLAB_TOKEN": world.token}
    with (
        connect("http://127.0.0.1:9", "shop/x", environ=environ, clock=SteppedClock()) as forge,
        pytest.raises(UnreachableError, match="forge URL"),
    ):
        forge.fetch_merge_request(1)


def test_which_token_is_used() -> None:
    assert find_token({}) is None
    assert find_token({"CI_JOB_TOKEN": "job-token-1"}) == ("job", Secret("job-token-1"))
    both = {"CI_JOB_TOKEN": "job-token-1", "HEADGATE_GITLAB_TOKEN": "private-1"}
    assert find_token(both) == ("private", Secret("private-1"))
    with pytest.raises(AuthenticationError, match="no GitLab token"):
        connect("http://127.0.0.1:9", "shop/x", environ={})
