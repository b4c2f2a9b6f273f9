"""Tell the merge request and the event store of a verdict. Trouble with them never changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from cicd.cli.context import App, say
from cicd.gate_context import GateContext
from cicd.gate_run import note_text
from gates.verdict import Outcome, Verdict
from headgate.secrets import mask
from observability.events import DeliveryEvent, Kind, event_id

if TYPE_CHECKING:
    from cicd.config.model import Config
    from cicd.gitlab.port import Forge
    from headgate.clock import Clock


def post(
    verdict: Verdict, config: Config, context: GateContext, *, connect: Callable[[str, str], Forge] | None = None
) -> None:
    """Put the sticky note and one commit status per gate on the merge request.

    Whatever goes wrong is a warning on stderr: the verdict, and the exit code that follows from it, stand.
    """
    if config.forge is None or context.merge_request is None:
        missing = "no forge is configured" if config.forge is None else "this is no merge-request pipeline"
        say(f"warning: nothing was posted: {missing}")
        return
    try:
        if connect is None:
            from cicd.gitlab.forge import connect as connect_gitlab

            connect = connect_gitlab
        forge = connect(config.forge.url, config.forge.project)
    except Exception as error:  # noqa: BLE001 - see the docstring
        say(f"warning: nothing was posted to {config.forge.url}: {error}")
        return
    with forge if isinstance(forge, AbstractContextManager) else nullcontext():
        _attempt("the note", partial(forge.put_note, context.merge_request, _key(verdict), note_text(verdict, context)))
        for gate in verdict.children if context.commit else ():
            _attempt(f"the commit status of {gate.name}", partial(_set_status, forge, gate, context))


def _set_status(forge: Forge, gate: Verdict, context: GateContext) -> None:
    from cicd.gitlab.port import CommitState, CommitStatus

    forge.set_status(
        CommitStatus(
            sha=context.commit or "",
            name=f"headgate/{gate.name}",
            state=CommitState.SUCCESS if gate.outcome is Outcome.PASS else CommitState.FAILED,
            description=f"{gate.outcome.value}: {gate.message}",
            target_url=context.job_url,
            ref=context.branch,
            pipeline_id=context.pipeline_id,
        )
    )


def _attempt(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - see the docstring of `post`
        say(f"warning: {what} could not be posted: {error}")


def _key(verdict: Verdict) -> str:
    """Each set of gates has a note of its own: jobs that run one gate each must not overwrite one another's."""
    return "-".join(["gate", *sorted(child.name for child in verdict.children)])


# -- events ------------------------------------------------------------------------------------------------------------

_EVENT_OUTCOMES = {Outcome.PASS: "success", Outcome.FAIL: "failure"}


def events(verdict: Verdict, config: Config, context: GateContext, clock: Clock) -> Iterable[DeliveryEvent]:
    """One `testsuiterun.finished` per gate. A run is told from another of the same commit by its job, else by time."""
    now = clock.now()
    for gate in verdict.children:
        leaves = gate.leaves()
        yield DeliveryEvent(
            kind=Kind.GATE_FINISHED,
            source=f"headgate://{config.project}/gate",
            id=event_id("gate", config.project, gate.name, context.commit or "", context.job_id or now.isoformat()),
            occurred_at=now,
            subject=gate.name,
            commit=context.commit,
            committed_at=context.committed_at,
            outcome=_EVENT_OUTCOMES.get(gate.outcome, "error"),
            change=context.change,
            url=context.job_url or None,
            data={
                "verdict": gate.outcome.value,
                "checks": len(leaves),
                "failed": sum(leaf.outcome is Outcome.FAIL for leaf in leaves),
                "duration_s": gate.duration_s,
                "reason": _reason(gate),
            },
        )


def _reason(gate: Verdict) -> str | None:
    """The first check that did not pass, masked; None for a gate that passed."""
    if gate.outcome is Outcome.PASS:
        return None
    leaf = next((leaf for leaf in gate.leaves() if leaf.outcome is gate.outcome), gate)
    return mask(f"{leaf.name}: {leaf.message}")


def record(app: App, verdict: Verdict, context: GateContext) -> None:
    """Append the events to the configured store; a failing store is a warning on stderr."""
    from cicd.record import record as record_events

    record_events(app, tuple(events(verdict, app.config, context, app.clock)))
