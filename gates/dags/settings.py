"""What a DAG sets: itself, through its default_args, or on every one of its tasks. Pure."""

from __future__ import annotations

from typing import Any

from gates.dags.facts import SETTINGS, DagFacts, Presence
from gates.dags.values import Dag, DictValue

_PASSED_TO_TASKS = frozenset({"owner", "start_date", "retries"})
_SCHEDULES = ("schedule", "schedule_interval", "timetable")


def dag_facts(dag: Dag) -> DagFacts:
    """The facts of a DAG, once the whole file has been read."""
    return DagFacts(
        dag_id=dag.dag_id,
        line=dag.line,
        settings={name: _presence(dag, name) for name in SETTINGS},
        tasks=len(dag.tasks),
        conditional=dag.conditional,
        repeated=dag.repeated,
        called=dag.called,
    )


def _presence(dag: Dag, name: str) -> Presence:
    """Whether a DAG sets `name`: itself, through default_args, or on every one of its tasks."""
    if name == "schedule":
        # schedule=None is a decision (only started by hand); it counts as set.
        found = any(key in dag.keywords for key in _SCHEDULES)
    else:
        found = name != "owner" and _given(dag.keywords.get(name))
    defaults = dag.keywords.get("default_args")
    if not found and name in _PASSED_TO_TASKS:
        found = isinstance(defaults, DictValue) and _given(defaults.items.get(name))
        found = found or (bool(dag.tasks) and all(name in task.keywords for task in dag.tasks))
    if found:
        return Presence.SET
    unclear = dag.open_keywords
    if name in _PASSED_TO_TASKS:
        unclear |= defaults is not None and (not isinstance(defaults, DictValue) or defaults.open)
        unclear |= bool(dag.tasks) and all(name in task.keywords or task.open_keywords for task in dag.tasks)
    return Presence.UNDECIDED if unclear else Presence.MISSING


def _given(value: Any) -> bool:
    """Whether a value says something: None, "" and [] do not, 0 does, and what is not known is taken to."""
    if value is None or value == "":
        return False
    return bool(getattr(value, "items", True)) or bool(getattr(value, "open", False))
