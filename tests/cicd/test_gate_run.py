"""`headgate gate`: the whole command on small repositories, and what is told to the forge and the event store."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from cicd.config.model import Config
from cicd.gate_context import GateContext, fetch_changed, fetch_context, parse_context
from cicd.gate_publish import events, post
from cicd.gate_run import Reports, check_writable, run_gates, select
from cicd.gitlab.port import CommitStatus, DeploymentRecord, MergeRequest, NoteChange
from gates.quality.runner import ExpectationResult, SuiteResult
from gates.verdict import Outcome, Verdict, group
from headgate.clock import SystemClock
from headgate.errors import ConfigError, NotFoundError, UnreachableError
from observability.events import Kind
from tests.testing.repositories import commit_files, new_repository
from tests.testing.suites import CannedRunner

DAG = """from datetime import datetime
from airflow.sdk import DAG
with DAG("shop", start_date=datetime(2026, 1, 1), default_args={"owner": "shop"}):
    pass
"""
TEST = "def test_ok():\n    assert 1 + 1 == 2\n"
SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}
QUALITY = {"name": "orders", "suite": "gx/s.json", "data": "data/*.csv"}
GATES: dict[str, Any] = {
    "unit": {"command": ["python", "-m", "pytest", "-q"], "timeout_s": 60},
    "quality": [QUALITY],
    "dags": {},
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that passes, as working directory, with no CI around it."""
    for name in [name for name in os.environ if name.startswith(("CI_", "GITLAB_", "HEADGATE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for path, text in {
        "dags/shop.py": DAG,
        "tests/test_a.py": TEST,
        "gx/s.json": json.dumps(SUITE),
        "data/a.csv": "id\n1\n",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    configure(tmp_path, GATES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(root: Path, gates: dict[str, Any], **more: Any) -> None:
    document = {"version": 1, "project": "shop/platform", "gates": gates, **more}
    (root / "headgate.yaml").write_text(json.dumps(document))


def config(gates: dict[str, Any] | None = None, **more: Any) -> Config:
    return Config.model_validate({"version": 1, "project": "shop/platform", "gates": gates or {}, **more})


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_good_repository_passes_and_leaves_all_reports(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["gate", "run", "--report-dir", "out/reports", "--junit", "out/a.xml", "--code-quality", "out/b.json"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "PASS gate: 3 PASS"
    assert [line for line in said.err.splitlines() if line.endswith(": running")] == [
        "unit: running",
        "quality: running",
        "dags: running",
    ]
    names = sorted(path.name for path in (root / "out" / "reports").iterdir())
    assert names == ["code-quality.json", "junit.xml", "note.md", "verdict.json", "verdict.txt"]
    assert [suite.get("name") for suite in ET.parse(root / "out" / "a.xml").getroot()] == ["unit", "quality", "dags"]
    assert json.loads((root / "out" / "b.json").read_text()) == []
    assert (root / "out" / "reports" / "note.md").read_text().startswith("### ✅ Headgate: PASS")


def test_the_command_records_one_event_per_gate(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "run", "dags"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["events", "list", "-o", "json"]) == 0
    assert "testsuiterun.finished" in capsys.readouterr().out


def edit(root: Path, files: dict[str, str | None]) -> None:
    for path, text in files.items():
        if text is None:
            (root / path).unlink()
        else:
            (root / path).write_text(text)


@pytest.mark.parametrize(
    ("names", "files", "status", "said"),
    [
        (["quality"], {"gx/s.json": '{\n "name": }'}, 4, "gx/s.json:2: the suite is not JSON"),
        (["quality"], {"gx/s.json": None}, 4, "the suite gx/s.json cannot be read"),
        (["quality"], {"gx/s.json": '{"name": "s", "expectations": []}'}, 4, "the suite has no expectations"),
        (["quality"], {"data/a.csv": None}, 4, "no data file matches data/*.csv"),
        (["dags"], {"dags/shop.py": "def f(:"}, 1, "syntax error"),
        (["dags"], {"dags/shop.py": DAG + "\0"}, 1, "null bytes"),
        (["dags"], {"dags/shop.py": None}, 4, "no DAG in 0 Python files"),
        (["unit"], {"tests/test_a.py": None}, 4, "no test was collected"),
        (["unit"], {"tests/test_a.py": "import nope\n"}, 4, "No module named 'nope'"),
        (["unit"], {"tests/test_a.py": "def test_a():\n    assert 3 == 4\n"}, 1, "assert 3 == 4"),
        (["unit", "dags"], {"tests/test_a.py": None, "dags/shop.py": "def f(:"}, 1, "no test was collected"),
    ],
)
def test_bad_input_is_a_verdict_with_a_next_step(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
    files: dict[str, str | None],
    status: int,
    said: str,
) -> None:
    edit(root, files)
    assert main(["gate", "run", *names]) == status
    shown = capsys.readouterr()
    assert said in shown.out
    assert "→" in shown.out
    assert "Traceback" not in shown.out + shown.err
    assert "PASS gate" not in shown.out


@pytest.mark.parametrize(
    ("arguments", "gates", "status", "said"),
    [
        (["gate", "run", "qualty"], GATES, 2, "'qualty' is not one of"),
        (["gate", "run", "dags"], {"unit": {}}, 2, "gate 'dags' is not configured (configured: unit)"),
        (["gate", "run", "dags"], {}, 2, "gate 'dags' is not configured (configured: none)"),
        (["gate", "run"], {}, 4, "no gate is configured, so nothing was checked"),
        (["gate", "run", "dags", "--report-dir", "headgate.yaml"], GATES, 2, "is a file"),
        (["gate", "run", "dags", "--junit", "headgate.yaml/x.xml"], GATES, 2, "the report cannot be written"),
        (["gate", "run", "dags", "--commit", "no-such-commit"], GATES, 2, "no commit 'no-such-commit'"),
        (["gate", "run", "dags", "--commit", "--all"], GATES, 2, "is not a Git ref name"),
        (["gate", "explain", "nowhere.json"], GATES, 2, "the verdict cannot be read"),
        (["gate", "explain", "headgate.yaml"], GATES, 2, "this is not a verdict that Headgate wrote"),
        (["gate", "explain", "."], GATES, 2, "the verdict cannot be read"),
    ],
)
def test_wrong_calls_are_told_in_one_paragraph(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    gates: dict[str, Any],
    status: int,
    said: str,
) -> None:
    configure(root, gates)
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert said in shown.err + shown.out
    assert "Traceback" not in shown.err


def test_the_verdict_can_be_printed_as_data_and_explained_later(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root, {"dags/shop.py": "def f(:"})
    assert main(["gate", "run", "dags", "-o", "json", "--report-dir", "r"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"]["outcome"] == "FAIL"
    assert main(["gate", "explain", "r/verdict.json", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == printed["verdict"]
    assert main(["gate", "explain", "r/verdict.json"]) == 0
    text = capsys.readouterr().out
    assert "FAIL syntax-error: syntax error" in text
    assert (root / "r" / "verdict.txt").read_text() == text
    assert main(["gate", "explain", "r/verdict.json", "-o", "yaml"]) == 0
    assert "outcome: FAIL" in capsys.readouterr().out


def test_a_gitlab_job_log_has_sections(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    assert main(["gate", "run", "dags"]) == 0
    assert "section_start:" in capsys.readouterr().out


def test_help_names_the_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--help"]) == 0
    assert "explain" in capsys.readouterr().out
    assert main(["gate", "run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--report-dir", "--junit", "--code-quality", "--note", "--commit"))


def test_posting_without_a_forge_is_a_warning_and_the_verdict_stands(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", "run", "dags", "--note"]) == 0
    assert "warning: nothing was posted: no forge is configured" in capsys.readouterr().err


@pytest.mark.parametrize("verdict", [0, 1])
def test_an_unreachable_forge_is_a_warning_and_the_verdict_stands(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verdict: int
) -> None:
    configure(root, GATES, forge={"url": "http://127.0.0.1:9", "project": "shop/platform"})
    if verdict:
        edit(root, {"dags/shop.py": "def f(:"})
    monkeypatch.setenv("CI_MERGE_REQUEST_IID", "12")
    assert main(["gate", "run", "dags"]) == verdict
    assert "warning: nothing was posted to http://127.0.0.1:9: " in capsys.readouterr().err


# -- wiring ------------------------------------------------------------------------------------------------------------


def test_gates_run_in_order_and_only_those_selected() -> None:
    gates = config(GATES).gates
    assert select(gates, []) == ("unit", "quality", "dags")
    assert select(gates, ["dags", "unit", "dags"]) == ("unit", "dags")
    with pytest.raises(ConfigError):
        select(config({"dags": {}}).gates, ["unit"])


def test_every_setting_reaches_its_gate(root: Path) -> None:
    runner = CannedRunner(SuiteResult(name="orders", row_count=0, results=(ExpectationResult(index=0, success=True),)))
    settings = config({"quality": [{**QUALITY, "key": ["id"], "allow_empty": True}]})
    verdict = run_gates(settings, root, [], clock=SystemClock(), runner=runner)
    assert verdict.outcome is Outcome.PASS
    assert runner.asked[0].key == ("id",)
    strict = config({"dags": {"require": ["tags"]}, "unit": {"paths": ["nowhere"], "timeout_s": 60}})
    verdict = run_gates(strict, root, [], clock=SystemClock())
    assert [child.outcome for child in verdict.children] == [Outcome.ERROR, Outcome.FAIL]


def test_a_check_names_its_engine(root: Path) -> None:
    """The same suite by both engines; only one of them takes the words of its own reports."""
    both = [QUALITY | {"engine": "great_expectations", "name": "theirs"}, QUALITY]
    verdict = run_gates(config({"quality": both}), root, [], clock=SystemClock())
    assert verdict.outcome is Outcome.PASS
    theirs, ours = verdict.children[0].children
    assert [leaf.message for leaf in theirs.leaves()] == [leaf.message for leaf in ours.leaves()]
    sources = [
        {leaf.measurement.source for leaf in node.leaves()[1:] if leaf.measurement is not None}
        for node in (theirs, ours)
    ]
    assert sources == [{"great_expectations"}, {"duckdb"}]


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"README.md": "hello"}, Outcome.SKIPPED),
        ({"pipelines/orders.py": "x = 1"}, Outcome.PASS),
        ({"gx/s.json": json.dumps(SUITE | {"name": "t"})}, Outcome.PASS),
        ({"headgate.yaml": None}, Outcome.PASS),
    ],
)
def test_a_merge_request_runs_the_checks_that_it_concerns(
    root: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], outcome: Outcome
) -> None:
    gates = {"quality": [QUALITY | {"paths": ["pipelines"]}]}
    configure(root, gates)
    git = new_repository(root)
    base = commit_files(git, {"pipelines/orders.py": "x = 0"}, "base")
    commit_files(git, {path: text or (root / path).read_text() + "\n" for path, text in changed.items()}, "change")
    monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", base)
    verdict = run_gates(config(gates), root, [], clock=SystemClock())
    assert verdict.outcome is Outcome.PASS
    assert verdict.children[0].children[0].outcome is outcome


@pytest.mark.parametrize(
    ("changed", "manifest", "outcome"),
    [
        ("warehouse/models/orders.sql", True, Outcome.PASS),
        ("warehouse/models/[x].sql", True, Outcome.PASS),
        ("warehouse/dbt_project.yml", True, Outcome.PASS),
        ("warehouse/models/other.sql", True, Outcome.SKIPPED),
        ("warehouse/models/other.sql", False, Outcome.PASS),
    ],
)
def test_a_dbt_model_names_what_the_data_is_made_from(
    root: Path, monkeypatch: pytest.MonkeyPatch, changed: str, manifest: bool, outcome: Outcome
) -> None:
    gates = {"quality": [QUALITY | {"dbt": "orders", "dbt_manifest": "warehouse/target/manifest.json"}]}
    configure(root, gates)
    orders = {"name": "orders", "original_file_path": "models/orders.sql", "depends_on": {"nodes": ["model.s.x"]}}
    nodes = {"model.s.orders": orders, "model.s.x": {"name": "x", "original_file_path": "models/[x].sql"}}
    git = new_repository(root)
    base = commit_files(git, {"README.md": "x"}, "base")
    commit_files(git, {changed: "select 1"}, "change")
    if manifest:
        (root / "warehouse" / "target").mkdir(parents=True)
        (root / "warehouse" / "target" / "manifest.json").write_text(json.dumps({"nodes": nodes, "macros": {}}))
    monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", base)
    verdict = run_gates(config(gates), root, [], clock=SystemClock())
    assert verdict.children[0].children[0].outcome is outcome


@pytest.mark.parametrize("base", ["", "f" * 40, "main"])
def test_a_change_that_is_not_known_concerns_everything(root: Path, base: str) -> None:
    """No merge request, a commit that a shallow clone does not hold, something that is no commit."""
    commit_files(new_repository(root), {}, "base")
    assert fetch_changed(root, {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base}) is None


def test_both_names_of_a_renamed_file_are_changed_and_names_are_taken_as_they_are(root: Path) -> None:
    git = new_repository(root)
    base = commit_files(git, {"a b/\u00e4.py": "x = 1\n" * 50}, "base")
    git.run("mv", "a b/\u00e4.py", "new.py")
    (root / "dags" / "shop.py").write_text("changed, not committed")
    changed = fetch_changed(root, {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base})
    assert changed == frozenset({"a b/\u00e4.py", "new.py", "dags/shop.py"})


def test_report_folders_are_made_before_the_gates_run(tmp_path: Path) -> None:
    check_writable(Reports(folder=tmp_path / "a" / "b", junit=tmp_path / "c" / "x.xml"))
    assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "c").is_dir()


# -- the context -------------------------------------------------------------------------------------------------------

CI = {
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": "f" * 40,
    "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": COMMIT,
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic",
    "CI_PIPELINE_ID": "77",
    "CI_JOB_ID": "5",
    "CI_JOB_URL": "https://git.example/j/5",
    "CI_PROJECT_URL": "https://git.example/shop/platform",
}


def test_the_context_is_read_from_ci() -> None:
    context = parse_context(CI)
    assert (context.commit, context.merge_request, context.branch, context.pipeline_id) == (COMMIT, 12, "topic", 77)
    assert (context.change, context.in_gitlab) == ("!12", True)
    assert context.blob_url == f"https://git.example/shop/platform/-/blob/{COMMIT}"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "", "CI_COMMIT_SHA": "HEAD"},
        {"CI_MERGE_REQUEST_IID": "12; rm", "CI_PIPELINE_ID": "-1"},
    ],
)
def test_what_ci_does_not_say_properly_is_not_known(environ: dict[str, str]) -> None:
    assert parse_context(environ) == GateContext()


def test_outside_of_a_repository_the_commit_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert fetch_context(tmp_path, {}).commit is None
    assert fetch_context(tmp_path, CI).commit == COMMIT
    with pytest.raises(NotFoundError):
        fetch_context(tmp_path, {}, "main")


def test_in_a_repository_it_is_head_with_its_date(tmp_path: Path) -> None:
    from headgate.git import Git

    git = Git(path=tmp_path, extra_env={"GIT_COMMITTER_DATE": "2026-11-21T10:00:00+01:00"})
    git.run("init", "--quiet")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    git.run(*who, "commit", "--quiet", "--allow-empty", "-m", "x")
    context = fetch_context(tmp_path, {})
    assert context.commit == git.rev_parse("HEAD")
    assert context.committed_at == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert fetch_context(tmp_path, CI, "HEAD").commit == git.rev_parse("HEAD")


# -- the forge and the events ------------------------------------------------------------------------------------------


@dataclass
class RecordingForge:
    """A forge that remembers, or refuses everything."""

    refuses: bool = False
    notes: list[tuple[int, str, str]] = field(default_factory=list)
    statuses: list[CommitStatus] = field(default_factory=list)

    def put_note(self, merge_request: int, key: str, text: str) -> NoteChange:
        if self.refuses:
            raise UnreachableError("no connection")
        self.notes.append((merge_request, key, text))
        return NoteChange.CREATED

    def set_status(self, status: CommitStatus) -> None:
        if self.refuses:
            raise RuntimeError("a defect in a library")
        self.statuses.append(status)

    def fetch_merge_request(self, iid: int) -> MergeRequest:
        raise NotImplementedError

    def record_deployment(self, record: DeploymentRecord) -> int:
        raise NotImplementedError


FORGE = {"url": "https://git.example", "project": "shop/platform"}


def tree(*outcomes: Outcome) -> Verdict:
    names = ("unit", "quality", "dags")
    return group("gate", [Verdict(name=n, outcome=o, message="why") for n, o in zip(names, outcomes, strict=False)])


def test_one_note_and_one_status_per_gate_are_posted() -> None:
    forge = RecordingForge()
    verdict = tree(Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE)
    post(verdict, config(forge=FORGE), parse_context(CI), connect=lambda url, project: forge)
    ((iid, key, text),) = forge.notes
    assert (iid, key) == (12, "gate-dags-quality-unit")
    assert text.startswith("### ❌ Headgate: FAIL")
    assert [(s.name, s.state.value, s.sha, s.pipeline_id, s.ref) for s in forge.statuses] == [
        ("headgate/unit", "success", COMMIT, 77, "topic"),
        ("headgate/quality", "failed", COMMIT, 77, "topic"),
        ("headgate/dags", "failed", COMMIT, 77, "topic"),
    ]
    assert forge.statuses[1].description == "FAIL: why"


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.SKIPPED, Outcome.FAIL])
def test_only_a_pass_is_a_success(outcome: Outcome) -> None:
    forge = RecordingForge()
    post(tree(outcome), config(forge=FORGE), parse_context(CI), connect=lambda url, project: forge)
    assert forge.statuses[0].state.value == "failed"


def test_a_forge_that_refuses_is_warned_about_once_per_thing(capsys: pytest.CaptureFixture[str]) -> None:
    forge = RecordingForge(refuses=True)
    post(tree(Outcome.PASS), config(forge=FORGE), parse_context(CI), connect=lambda url, project: forge)
    assert capsys.readouterr().err.splitlines() == [
        "warning: the note could not be posted: no connection",
        "warning: the commit status of unit could not be posted: a defect in a library",
    ]


def test_events_tell_outcome_commit_and_change_and_repeat_their_ids() -> None:
    verdict = tree(Outcome.PASS, Outcome.FAIL, Outcome.ERROR)

    def made(context: GateContext) -> Sequence[Any]:
        return list(events(verdict, config(), context, SystemClock()))

    first, again = made(parse_context(CI)), made(parse_context(CI))
    assert [(e.kind, e.subject, e.outcome, e.commit, e.change) for e in first] == [
        (Kind.GATE_FINISHED, "unit", "success", COMMIT, "!12"),
        (Kind.GATE_FINISHED, "quality", "failure", COMMIT, "!12"),
        (Kind.GATE_FINISHED, "dags", "error", COMMIT, "!12"),
    ]
    assert [event.id for event in first] == [event.id for event in again]
    assert len({event.id for event in first}) == 3
    assert made(GateContext())[0].id != made(GateContext())[0].id
