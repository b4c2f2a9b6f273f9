"""The four scenarios. Each returns what it proved; none believes what Headgate said of itself alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cicd.demo.proof import Proof
from cicd.demo.stage import BUCKET, JOB, Stage
from headgate.git import Git

if TYPE_CHECKING:
    from gitlab.v4.objects import ProjectMergeRequest, ProjectPipeline

NOTE_HEADING = "Headgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    title: str
    play: Callable[[Stage], tuple[Proof, ...]]


def play_good(stage: Stage) -> tuple[Proof, ...]:
    """A good change passes its gates, is merged, delivered and promoted."""
    request = stage.open_merge_request("good-change", "Weekends in the calendar; recommender 1.1.0")
    stage.say(f"!{request.iid} opened: {request.title}; its gates run in GitLab CI")
    gates = stage.await_gates(request)
    proofs = [_pipeline("the gates let it through", gates, "success"), _one_note(request, "PASS")]
    if gates.status != "success":
        return (*proofs, _trace(gates))
    commit = stage.merge(request)
    stage.say(f"merged as {commit[:8]}; DAGs go to gs://{BUCKET}, recommender 1.1.0 to a canary through Jenkins")
    delivery = stage.await_delivery(commit)
    proofs += [
        _pipeline("delivery and release went well", delivery, "success"),
        _bucket_equals(stage, commit),
        _runs(stage, "recommender", "shop/recommender:1.1.0"),
        _synced(stage, "recommender"),
        _history(stage, releases=1, reverts=0, version="1.1.0"),
        _deployment_recorded(stage, commit),
    ]
    return (*proofs, *([] if delivery.status == "success" else [_trace(delivery)]))


def play_bad_data(stage: Stage) -> tuple[Proof, ...]:
    """A transformation that passes its unit tests but builds wrong data is blocked by the quality gate."""
    before = _bucket(stage)
    request = stage.open_merge_request("bad-data", "Discounts in fact_sales")
    stage.say(f"!{request.iid} opened: {request.title}; its unit tests pass, its data are wrong")
    gates = stage.await_gates(request)
    proofs = (
        _pipeline("the gates blocked it", gates, "failed"),
        _one_note(request, "FAIL", "fact-sales", "fact_sales"),
        _rows_named(request),
        _cannot_be_merged(stage, request),
        Proof(claim="nothing was delivered", holds=_bucket(stage) == before, seen=f"{len(before)} objects as before"),
    )
    return proofs if gates.status == "failed" else (*proofs, _trace(gates))


def play_bad_canary(stage: Stage) -> tuple[Proof, ...]:
    """A release that answers with errors is aborted, reverted in Git and converged."""
    served = stage.image("recommender")
    releases, reverts = _counts(stage)
    request = stage.open_merge_request("bad-canary", "Recommender 1.2.0")
    stage.say(f"!{request.iid} opened: {request.title}; its gates pass, its service will fail one request in ten")
    gates = stage.await_gates(request)
    if gates.status != "success":
        return (_pipeline("the gates let it through", gates, "success"), _trace(gates))
    commit = stage.merge(request)
    stage.say(f"merged as {commit[:8]}; recommender 1.2.0 goes to a canary through Jenkins")
    delivery = stage.await_delivery(commit)
    builds = stage.world.jenkins.job(JOB).builds
    console = builds[-1].text() if builds else ""
    result = builds[-1].result if builds else "no build"
    answered = _answered(stage, "recommender", "shop/recommender:1.2.0")
    total = _answered(stage, "recommender")
    stage.wait_until("more traffic", lambda: _answered(stage, "recommender") >= total + 200)
    return (
        _pipeline("GitLab shows the failed delivery", delivery, "failed"),
        Proof(
            claim="the Jenkins build failed with a verdict",
            holds=result == "FAILURE" and "HEADGATE_EXIT=1\n" in console,
            seen=f"{result}, {next((line for line in console.splitlines() if 'HEADGATE_EXIT=' in line), 'no exit code')}",
        ),
        _history(stage, releases=releases + 1, reverts=reverts + 1, version="1.2.0"),
        _runs(stage, "recommender", served),
        _synced(stage, "recommender"),
        Proof(
            claim="users are back on stable",
            holds=_answered(stage, "recommender", "shop/recommender:1.2.0") == answered > 0,
            seen=f"1.2.0 answered {answered} requests in its canary and none of the last 200",
        ),
    )


def play_blue_green(stage: Stage) -> tuple[Proof, ...]:
    """From the command line: preview, analysis, switch, soak."""
    releases, reverts = _counts(stage)
    before = _active_hash(stage)
    command = ("release", "start", "catalogue", "--env", "prod", "--version", "2.0.0")
    stage.say(f"headgate {' '.join(command)}")
    done = stage.headgate(*command, "--source-commit", stage.git.rev_parse("origin/main"))
    after = _active_hash(stage)
    return (
        Proof(
            claim="the command says promoted",
            holds=done.returncode == 0,
            seen=f"exit {done.returncode}: {_last_line(done.stdout) or _last_line(done.stderr)}",
        ),
        Proof(
            claim="the active Service selects the new colour",
            holds=before != after and after == stage.rollout("catalogue")["status"]["currentPodHash"],
            seen=f"{before} -> {after}",
        ),
        _runs(stage, "catalogue", "shop/catalogue:2.0.0"),
        _synced(stage, "catalogue"),
        _history(stage, releases=releases + 1, reverts=reverts, version="2.0.0"),
    )


SCENARIOS: dict[str, Scenario] = {
    item.name: item
    for item in (
        Scenario(name="good", title="a good change is gated, merged, delivered and promoted", play=play_good),
        Scenario(name="bad-data", title="a broken transformation is blocked by the quality gate", play=play_bad_data),
        Scenario(name="bad-canary", title="a bad release is aborted, reverted and converged", play=play_bad_canary),
        Scenario(name="blue-green", title="a blue-green release is switched", play=play_blue_green),
    )
}


def _pipeline(claim: str, pipeline: ProjectPipeline, wanted: str) -> Proof:
    jobs = ", ".join(f"{job.name} {job.status}" for job in pipeline.jobs.list(get_all=True))
    return Proof(claim=claim, holds=pipeline.status == wanted, seen=f"pipeline {pipeline.status} ({jobs})")


def _trace(pipeline: ProjectPipeline) -> Proof:
    """The end of the log of the job that did not do what the story needs, to see why."""
    jobs = pipeline.jobs.list(get_all=True)
    job = next((job for job in jobs if job.status == "failed"), jobs[-1])
    project = pipeline.manager.gitlab.projects.get(pipeline.project_id)
    log = project.jobs.get(job.id).trace().decode(errors="replace")
    return Proof(claim=f"log of {job.name}", holds=False, seen="\n      ".join(log.splitlines()[-25:]))


def _notes(request: ProjectMergeRequest) -> list[str]:
    notes = request.notes.list(get_all=True)
    return [str(note.body) for note in notes if not note.system and NOTE_HEADING in note.body]


def _one_note(request: ProjectMergeRequest, *words: str) -> Proof:
    notes = _notes(request)
    holds = len(notes) == 1 and all(word in notes[0] for word in words)
    seen = next((line.strip("# *") for note in notes for line in note.splitlines() if words[0] in line), "no note")
    return Proof(claim=f"one note on the merge request says {words[0]}", holds=holds, seen=seen)


def _rows_named(request: ProjectMergeRequest) -> Proof:
    """The note must show the expectation with its count, and rows."""
    text = "\n".join(_notes(request))
    lines = [line.strip("-* ") for line in text.splitlines() if "expect_" in line]
    rows = [line.strip("-* ") for line in text.splitlines() if "row" in line.lower()]
    return Proof(
        claim="the note names rows and reason",
        holds=bool(lines and rows),
        seen=" | ".join([*lines[:1], *rows[:1]]).replace("`", "").replace("**", "")[:200],
    )


def _cannot_be_merged(stage: Stage, request: ProjectMergeRequest) -> Proof:
    from gitlab.exceptions import GitlabMRClosedError

    try:
        request.merge()
    except GitlabMRClosedError as error:
        seen = f"GitLab answered {error.response_code} to the attempt"
    else:
        seen = "GitLab merged it"
    state = stage.project.mergerequests.get(request.iid).state
    return Proof(claim="the merge is blocked", holds=state == "opened", seen=f"{seen}; !{request.iid} is {state}")


def _bucket(stage: Stage) -> dict[str, bytes]:
    return {item.name: item.data for item in stage.bucket.list() if ".headgate/" not in item.name}


def _bucket_equals(stage: Stage, commit: str) -> Proof:
    """Byte for byte, compared with Git itself."""
    git = Git(path=stage.platform_repository)
    names = git.run("ls-tree", "-r", "--name-only", "-z", commit, "dags/").split("\0")
    wanted = {name: git.read_file(commit, name) for name in names if name}
    found = _bucket(stage)
    return Proof(
        claim="the bucket holds exactly the DAGs of that commit",
        holds=bool(wanted) and found == wanted,
        seen=f"{len(found)} objects, {len(wanted)} files in Git",
    )


def _runs(stage: Stage, service: str, image: str) -> Proof:
    status = stage.rollout(service)["status"]
    return Proof(
        claim=f"the Rollout runs {image} and is not left aborted",
        holds=stage.is_healthy(service) and stage.image(service) == image,
        seen=f"{stage.image(service)}, {status.get('phase')}, abort {bool(status.get('abort'))}",
    )


def _synced(stage: Stage, service: str) -> Proof:
    status = stage.application(service)["status"]
    head = Git(path=stage.environment_repository).rev_parse("main")
    sync, health = status["sync"], status["health"]["status"]
    return Proof(
        claim="Argo CD is Synced and Healthy at the head of Git",
        holds=(sync["status"], health, sync.get("revision")) == ("Synced", "Healthy", head),
        seen=f"{sync['status']}, {health}, {str(sync.get('revision'))[:8]} (head {head[:8]})",
    )


def _deployment_recorded(stage: Stage, commit: str) -> Proof:
    """GitOps deploys by pulling, so GitLab knows of no deployment unless it is told."""
    found = [item for item in stage.project.deployments.list(get_all=True) if item.sha == commit]
    seen = ", ".join(f"{item.environment['name']} {item.status}" for item in found) or "no deployment"
    holds = [item.status for item in found] == ["success"]
    return Proof(claim="GitLab has the deployment record of that commit", holds=holds, seen=seen)


def _counts(stage: Stage) -> tuple[int, int]:
    history = stage.history()
    reverts = sum("Headgate-Revert:" in line for line in history)
    return sum("Headgate-Release:" in line and "Headgate-Revert:" not in line for line in history), reverts


def _history(stage: Stage, *, releases: int, reverts: int, version: str) -> Proof:
    lines = stage.history()
    named = [line for line in lines if version in line]
    wanted = 1 + bool(reverts and "Headgate-Revert:" in lines[0])
    return Proof(
        claim="Git history shows each step once, with its trailers",
        holds=_counts(stage) == (releases, reverts) and len(named) >= wanted,
        seen="; ".join(lines[: max(1, len(named))]),
    )


def _answered(stage: Stage, service: str, image: str | None = None) -> int:
    """Requests of users that this version (None: any) has answered so far."""
    answered = stage.world.kubernetes.traffic.answered(service).values()
    return sum(item.total for item in answered if image in (None, item.image))


def _active_hash(stage: Stage) -> str:
    return str(stage.rollout("catalogue")["status"].get("blueGreen", {}).get("activeSelector", ""))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
