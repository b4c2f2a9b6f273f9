"""`headgate analysis`: the judge alone, on recorded counts; and what it would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cicd.cli.analysis_files import counted_lines, dump, emit_document, folder, manifests, write
from cicd.cli.context import App, emit, output_option, say
from cicd.cli.quantities import Number
from headgate.exit_codes import ExitCode

_ABOVE_0 = Number(0, min_open=True)
_CHANCE = Number(0, 1, min_open=True, max_open=True)
_MOST_LOOKS = 10_000


@click.group()
def analysis() -> None:
    """Judge recorded counts of a canary and its baseline; say what would be seen, and how soon.

    Exit codes of `run`: 0 PASS, 1 FAIL, 4 INCONCLUSIVE or ERROR, 2 a command line or a policy that is wrong.
    """


@analysis.command()
@click.option("--counts", required=True, metavar="FILE", help="JSON lines of interval counts; - is stdin.")
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What is tolerated, YAML or JSON.  [default: no increase of any metric, alpha 0.05 over all]",
)
@click.option(
    "--evidence", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write evidence.json there."
)
@click.option(
    "--picture",
    "picture_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the evidence there, SVG.",
)
@output_option()
def run(counts: str, policy_path: Path | None, evidence: Path | None, picture_path: Path | None, output: str) -> int:
    """Say whether a canary is worse than its baseline, from counts in a file."""
    from deployments.analysis.evidence import evidence_document, verdict_document
    from deployments.analysis.explain import verdict_text
    from deployments.analysis.policy import load_policy
    from deployments.analysis.recorded import RecordingError, parse_lines
    from deployments.analysis.recording import build_recording, judge
    from deployments.analysis.seen import Judged
    from gates.verdict import exit_code

    policy = load_policy(policy_path) if policy_path else None
    try:
        with counted_lines(counts) as lines:
            recording = build_recording(parse_lines(lines, where=counts), policy)
    except RecordingError as error:
        return _unreadable(error, output)
    found = judge(recording)
    if evidence is not None:
        write(evidence, dump(evidence_document(Judged(recording=recording, verdict=found))) + "\n")
    if picture_path is not None:
        from deployments.analysis.picture import picture

        write(picture_path, picture(found))
    emit_document(output, verdict_document(found), lambda: verdict_text(found))
    return exit_code(found.outcome)


@analysis.command()
@click.argument("metrics", nargs=-1, required=True, metavar="METRIC...")
@click.option("--canary", required=True, metavar="HASH", help="Identity of the new version, {{hash}} in the queries.")
@click.option("--baseline", required=True, metavar="HASH", help="Identity of the version beside it.")
@click.option("--weight", type=Number(0, 100), help="Percent of the traffic that the canary has.")
@click.option("--timeout", "timeout_s", type=_ABOVE_0, default=600.0, show_default=True, help="Seconds.")
@click.option("--alpha", type=_CHANCE, default=0.05, show_default=True, help="Chance of a false FAIL, all metrics.")
@click.option("--beta", type=_CHANCE, default=0.05, show_default=True, help="Chance of a false PASS.")
@click.option("--service", metavar="NAME", help="Whose pods are scraped (source openmetrics).")
@click.option("--env", "environment", metavar="NAME", help="Environment of --service.")
@click.option(
    "--evidence",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write evidence and pictures there.",
)
@output_option()
@click.pass_obj
def watch(
    app: App,
    metrics: tuple[str, ...],
    canary: str,
    baseline: str,
    weight: float | None,
    timeout_s: float,
    alpha: float,
    beta: float,
    service: str | None,
    environment: str | None,
    evidence: Path | None,
    output: str,
) -> int:
    """Judge two versions that are serving now by METRICs of headgate.yaml, without a release."""
    from cicd.analysis_watch import open_watch, subject_of
    from deployments.analysis.evidence import seen_text

    subject = subject_of(canary, baseline, weight)
    with open_watch(app, metrics, alpha=alpha, beta=beta, service=service, environment=environment) as watching:
        found = watching.run(subject, timeout_s=timeout_s, say=say)
    documents = watching.documents()
    if evidence is not None:
        from deployments.analysis.seen import draw

        folder(evidence)
        for name, document in documents.items():
            write(evidence / f"{name}.json", dump(document) + "\n")
            write(evidence / f"{name}.svg", draw(name, watching.seen[name]))
    results = {
        name: document["result"]["metrics"].get(name) if document["rule"] == "test" else document["result"]
        for name, document in documents.items()
    }
    result = {"verdict": found.outcome.value, "message": found.message, "metrics": results}
    explained = [seen_text(seen) for seen in watching.seen.values()]
    emit(output, result, lambda: "\n\n".join([f"{found.outcome.value}  {found.message}", *explained]))
    return found.exit_code


@analysis.command()
@click.option("--rate", type=_ABOVE_0, required=True, help="Requests (or rows) a second, both arms together.")
@click.option(
    "--weight",
    type=Number(0, 100, min_open=True, max_open=True),
    required=True,
    help="Percent to the canary.",
)
@click.option("--base", type=Number(0, 1, max_open=True), required=True, help="Bad of all on the baseline.")
@click.option("--within", "within_s", type=_ABOVE_0, default=600.0, show_default=True, help="Seconds of the step.")
@click.option("--interval", "interval_s", type=_ABOVE_0, default=5.0, show_default=True, help="Seconds between looks.")
@click.option("--history", "history_s", type=Number(0), default=0.0, show_default=True, help="Seconds known before it.")
@click.option("--alpha", type=_CHANCE, default=0.05, show_default=True, help="Chance of a false FAIL, all metrics.")
@click.option("--beta", type=_CHANCE, default=0.05, show_default=True, help="Chance of a false PASS.")
@click.option("--metrics", type=click.IntRange(1), default=1, show_default=True, help="Metrics that share alpha.")
@click.option("--max-ratio-increase", type=Number(0), default=0.0, show_default=True, help="Tolerated.")
@click.option("--max-absolute-increase", type=Number(0), default=0.0, show_default=True, help="Tolerated.")
@click.option("--margin-ratio", type=Number(0), help="A PASS rules this out.  [default: 1, a doubling]")
@click.option("--margin-absolute", type=Number(0), help="A PASS rules this out.  [default: 0.001]")
@click.option(
    "--runs", type=click.IntRange(20, 100_000), default=200, show_default=True, help="Simulated rollouts each."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same answer.")
@output_option()
def power(runs: int, seed: int, output: str, **keys: Any) -> int:
    """Say how small a regression would be seen, and how soon, by simulating rollouts on such traffic."""
    from deployments.analysis.power import Traffic, power_report, power_text

    traffic = Traffic(**keys)
    if traffic.within_s / traffic.interval_s > _MOST_LOOKS or traffic.history_s / traffic.interval_s > _MOST_LOOKS:
        raise click.BadParameter(f"more than {_MOST_LOOKS} looks at a step are not simulated", param_hint="--interval")
    report = power_report(traffic, runs=runs, seed=seed)
    emit(output, report.document(), lambda: power_text(report))
    return ExitCode.PASS


@analysis.command("import")
@click.argument("templates", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="Value of an argument of the templates.")
@output_option("yaml")
def import_(templates: tuple[Path, ...], arguments: tuple[str, ...], output: str) -> int:
    """Print Argo Rollouts' AnalysisTemplates as the `analysis` section of headgate.yaml; 2 if a metric does not fit."""
    from pydantic import ValidationError

    from cicd.config.analysis import AnalysisConfig
    from deployments.analysis.templates import Imported, Refused, import_templates

    wrong = [text for text in arguments if "=" not in text]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE", param_hint="--arg")
    documents = [document for path in templates for document in manifests(path)]
    found = import_templates(documents, dict(text.split("=", 1) for text in arguments))
    entries: dict[str, dict[str, object]] = {}
    refused = 0
    for metric in found:
        problem = metric.why if isinstance(metric, Refused) else ""
        if isinstance(metric, Imported):
            try:
                AnalysisConfig.model_validate(metric.keys)
                entries[metric.name] = dict(metric.keys)
            except ValidationError as error:
                first = error.errors()[0]
                problem = f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
        for remark in metric.remarks if isinstance(metric, Imported) and not problem else ():
            say(f"{metric.name}: {remark}")
        if problem:
            refused += 1
            say(f"{metric.name}: not imported: {problem}")
    emit(output, {"analysis": entries}, lambda: "\n".join(entries) or "nothing could be imported")
    return ExitCode.USAGE if refused else ExitCode.PASS


def _unreadable(error: Exception, output: str) -> int:
    """A recording that is not one: ERROR, with the line in the message; on stderr too, for people."""
    say(f"headgate: error: {error}")
    document: dict[str, Any] = {
        "verdict": "ERROR",
        "decided_at_s": None,
        "message": str(error),
        "cause": str(error),
        "metrics": {},
    }
    emit_document(output, document, lambda: f"ERROR  {error}")
    return ExitCode.UNDECIDED
