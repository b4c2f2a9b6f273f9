"""From the facts of DAG files to a verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gates.dags.facts import DagFacts, FileFacts, Finding, Presence
from gates.verdict import Location, Outcome, Severity, Verdict, combine


@dataclass(frozen=True, slots=True, kw_only=True)
class DagPolicy:
    """`require` names what every DAG must set: owner, start_date, tags, retries, schedule."""

    require: tuple[str, ...] = ("owner", "start_date")


_WHY = {
    "owner": "nobody is named to be called when it fails; Airflow shows the default `airflow`",
    "start_date": "without one the scheduler does not start it",
    "tags": "it cannot be found by team or domain",
    "retries": "one passing fault fails the run",
    "schedule": "the default of Airflow decides when it runs, and that differs between versions",
}
_IN_DEFAULTS = {"owner", "start_date", "retries"}


def evaluate_dags(files: Iterable[FileFacts], policy: DagPolicy, *, folder: str) -> Verdict:
    """The verdict `dags`: one node per file that has DAGs or findings.

    What could not be decided is shown as INCONCLUSIVE of severity info. It does not block as long as anything else
    was decided; when nothing was, the whole is INCONCLUSIVE. A folder without a DAG is INCONCLUSIVE.
    """
    facts = tuple(files)
    if not any(file.dags or file.findings for file in facts):
        return Verdict(
            name="dags",
            outcome=Outcome.INCONCLUSIVE,
            message=f"no DAG in {len(facts)} Python files of {folder}",
            fix="Correct gates.dags.path, or look at .airflowignore.",
            location=Location(path=folder),
        )
    problems = {file.path: [*file.findings, *_policy(file, policy)] for file in facts}
    for finding in _duplicates(facts):
        problems[finding.path].append(finding)
    nodes = [_file_node(file, problems[file.path], folder) for file in facts if file.dags or problems[file.path]]
    leaves = [leaf for node in nodes for leaf in node.leaves()]
    return Verdict(name="dags", outcome=_outcome(leaves), message=_summary(facts, leaves), children=tuple(nodes))


def _outcome(leaves: Sequence[Verdict]) -> Outcome:
    """Combined without the undecided ones; INCONCLUSIVE when there is nothing else."""
    return combine(leaf.outcome for leaf in leaves if leaf.severity is not Severity.INFO)


def _summary(facts: Sequence[FileFacts], leaves: Sequence[Verdict]) -> str:
    dags = sum(len(file.dags) for file in facts)
    failed = sum(leaf.outcome is Outcome.FAIL for leaf in leaves)
    undecided = sum(leaf.outcome is Outcome.INCONCLUSIVE for leaf in leaves)
    text = f"{dags} DAGs in {len(facts)} files: {failed} findings"
    return f"{text}, {undecided} undecided" if undecided else text


def _file_node(file: FileFacts, findings: Sequence[Finding], folder: str) -> Verdict:
    path = f"{folder.rstrip('/')}/{file.path}" if folder not in {"", "."} else file.path
    leaves = [_finding_leaf(finding, path, number) for number, finding in _numbered(findings)]
    leaves += [_dag_leaf(dag, path) for dag in file.dags if _is_clean(dag, findings)]
    unique = _distinct_names(leaves)
    return Verdict(
        name=path,
        outcome=_outcome(unique),
        message=", ".join(sorted({finding.rule for finding in findings})) or f"{len(file.dags)} DAGs",
        location=Location(path=path),
        children=unique,
    )


def _numbered(findings: Sequence[Finding]) -> Iterable[tuple[int, Finding]]:
    """Findings in line order, each with its number among those of the same rule."""
    counts: dict[str, int] = {}
    for finding in sorted(findings, key=lambda found: (found.line, found.rule, found.message)):
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
        yield counts[finding.rule], finding


def _finding_leaf(finding: Finding, path: str, number: int) -> Verdict:
    return Verdict(
        name=finding.rule if number == 1 else f"{finding.rule} #{number}",
        outcome=Outcome.INCONCLUSIVE if finding.undecided else Outcome.FAIL,
        severity=Severity.INFO if finding.undecided else Severity.CRITICAL,
        message=f"{finding.message}: {finding.why}" if finding.why else finding.message,
        rule=finding.rule,
        fix=finding.fix,
        location=Location(path=path, line=finding.line),
    )


def _is_clean(dag: DagFacts, findings: Sequence[Finding]) -> bool:
    """Whether something was decided about this DAG and nothing against it."""
    if any(not finding.undecided and finding.dag_id == dag.dag_id for finding in findings if finding.dag_id):
        return False
    return dag.dag_id is not None and not any(finding.rule == "syntax-error" for finding in findings)


def _dag_leaf(dag: DagFacts, path: str) -> Verdict:
    present = [name for name, state in dag.settings.items() if state is Presence.SET]
    return Verdict(
        name=f"DAG {dag.dag_id}",
        outcome=Outcome.PASS,
        message=f"{dag.tasks} tasks; sets {', '.join(present) or 'nothing'}",
        location=Location(path=path, line=dag.line),
    )


def _distinct_names(leaves: Sequence[Verdict]) -> tuple[Verdict, ...]:
    counts: dict[str, int] = {}
    result = []
    for leaf in leaves:
        counts[leaf.name] = counts.get(leaf.name, 0) + 1
        result.append(leaf if counts[leaf.name] == 1 else replace(leaf, name=f"{leaf.name} #{counts[leaf.name]}"))
    return tuple(result)


def _policy(file: FileFacts, policy: DagPolicy) -> Iterable[Finding]:
    """Missing settings, ids that are not constants, and `@dag` functions that are never called."""
    for dag in file.dags:
        title = f"DAG {dag.dag_id}" if dag.dag_id is not None else "a DAG"
        if dag.dag_id is None:
            yield _undecided(file.path, dag.line, "dag-id-undecided", "the id of a DAG is not a constant")
        elif dag.repeated:
            yield _undecided(file.path, dag.line, "dag-id-undecided", f"{title} is made in a loop")
        if not dag.called:
            yield Finding(
                rule="dag-not-called",
                path=file.path,
                line=dag.line,
                message=f"the @dag function of {dag.dag_id} is never called",
                why="Airflow sees no DAG",
                fix="Call it at the end of the file.",
                dag_id=dag.dag_id,
            )
        for name in policy.require:
            state = dag.settings[name]
            if state is Presence.UNDECIDED:
                yield _undecided(file.path, dag.line, f"{name}-undecided", f"whether {title} sets {name} is not known")
            elif state is Presence.MISSING:
                where = "the DAG or its default_args" if name in _IN_DEFAULTS else "the DAG"
                yield Finding(
                    rule=f"missing-{name.replace('_', '-')}",
                    path=file.path,
                    line=dag.line,
                    message=f"{title} sets no {name}",
                    why=_WHY[name],
                    fix=f"Set {name} in {where}.",
                    dag_id=dag.dag_id,
                )


def _duplicates(files: Sequence[FileFacts]) -> Iterable[Finding]:
    """Ids that several DAGs share; undecided where one of them stands in a branch."""
    owners: dict[str, tuple[str, DagFacts]] = {}
    for file in files:
        for dag in file.dags:
            if dag.dag_id is None:
                continue
            if dag.dag_id not in owners:
                owners[dag.dag_id] = (file.path, dag)
                continue
            first_path, first = owners[dag.dag_id]
            message = f"DAG id {dag.dag_id} is also in {first_path}:{first.line}"
            if dag.conditional or first.conditional:
                yield _undecided(file.path, dag.line, "duplicate-undecided", message)
            else:
                yield Finding(
                    rule="duplicate-dag-id",
                    path=file.path,
                    line=dag.line,
                    message=message,
                    why="one of the two replaces the other, and which one changes from parse to parse",
                    fix="Give one of them another id.",
                    dag_id=dag.dag_id,
                )


def _undecided(path: str, line: int, rule: str, message: str) -> Finding:
    return Finding(
        rule=rule,
        path=path,
        line=line,
        message=message,
        why="it depends on more than constants",
        fix="Write it as a constant where you can; what stays computed is not checked here.",
        undecided=True,
    )
