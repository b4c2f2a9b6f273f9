"""Bad input, end to end: one paragraph with the next step, the documented exit code, no traceback, never a PASS.

Every case runs the installed command in a process of its own, on a copy of the example platform.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cicd.sandbox.argocd.sandbox import ArgoCdSandbox
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.gitlab.sandbox import GitLabSandbox
from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox
from headgate.exit_codes import ExitCode
from tests.testing.repositories import commit_files, new_repository
from tests.testing.shop import copy_platform

NOBODY = "http://127.0.0.1:9"
"""The discard port of loopback: nothing listens there."""
RELEASE = ("release", "start", "recommender", "--env", "prod", "--version", "1.1.0")
PUSH = ("dags", "push", "--env", "staging")


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The error paragraph: the last line of stderr."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def headgate(root: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "CI", "KUBECONFIG"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "cicd", *arguments],
        cwd=root,
        env=clean | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])} | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """The example platform as a repository with one commit."""
    root = tmp_path / "platform"
    copy_platform(root)
    commit_files(new_repository(root), {}, "everything")
    return root


def rewrite(path: Path, *replacements: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("headgate.yaml", "empty")),
        ("version: 1\nproject: x\ngatez: {}\n", ("headgate.yaml:3", "gatez", "gates")),
        ("version: 1\nproject: x\ngates:\n  unit: {comand: [x]}\n", ("headgate.yaml:4", "comand", "command")),
        ("version: [1\n", ("headgate.yaml",)),
        ("just words\n", ("headgate.yaml",)),
        ("\x00\x01\x02", ("headgate.yaml",)),
    ],
)
@pytest.mark.parametrize("command", [("gate", "run"), PUSH, RELEASE, ("config", "check")], ids=" ".join)
def test_a_bad_configuration_stops_every_command(
    command: tuple[str, ...], content: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "headgate.yaml").write_text(content, encoding="utf-8")
    done = headgate(tmp_path, *command)
    assert done.code == ExitCode.USAGE
    for word in words:
        assert word in done.err
    assert "PASS" not in done.out


# -- what the gates look at --------------------------------------------------------------------------------------------


def break_suite(root: Path) -> None:
    (root / "gx/expectations/fact_sales.json").write_text('{"name": "fact_sales", "expectations": [', encoding="utf-8")


def empty_suite(root: Path) -> None:
    (root / "gx/expectations/fact_sales.json").write_text(
        '{"name": "fact_sales", "expectations": []}', encoding="utf-8"
    )


def lose_suite(root: Path) -> None:
    (root / "gx/expectations/fact_sales.json").unlink()


def lose_data(root: Path) -> None:
    rewrite(root / "headgate.yaml", ("data: data/curated/fact_sales.parquet", "data: data/curated/nosuch.parquet"))


def break_dag(root: Path) -> None:
    (root / "dags/shop_ingest.py").write_text("from airflow.sdk import dag\n\ndef broken(:\n", encoding="utf-8")


def lose_dags(root: Path) -> None:
    rewrite(root / "headgate.yaml", ("path: dags\n", "path: nosuch\n"))


def lose_tests(root: Path) -> None:
    rewrite(root / "headgate.yaml", ("paths: [tests, services/recommender/tests]", "paths: [infra]"))


@pytest.mark.parametrize(
    ("gate", "change", "code", "words"),
    [
        ("quality", break_suite, ExitCode.UNDECIDED, ("gx/expectations/fact_sales.json", "JSON")),
        ("quality", empty_suite, ExitCode.UNDECIDED, ("fact-sales", "expectation")),
        ("quality", lose_suite, ExitCode.UNDECIDED, ("gx/expectations/fact_sales.json",)),
        ("quality", lose_data, ExitCode.UNDECIDED, ("data/curated/nosuch.parquet",)),
        ("dags", break_dag, ExitCode.FAIL, ("dags/shop_ingest.py", "syntax")),
        ("dags", lose_dags, ExitCode.UNDECIDED, ("nosuch",)),
        ("unit", lose_tests, ExitCode.UNDECIDED, ("no tests",)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_checked_is_never_a_pass(
    gate: str, change: Callable[[Path], None], code: ExitCode, words: tuple[str, ...], platform: Path
) -> None:
    change(platform)
    done = headgate(platform, "gate", "run", gate, "-o", "json", "--no-note")
    assert done.code == code, done.err
    verdict = json.loads(done.out)
    assert '"outcome": "PASS"' not in json.dumps(verdict)[: json.dumps(verdict).index("children")]
    for word in words:
        assert word.lower() in done.out.lower()


def test_an_unknown_gate_is_usage(platform: Path) -> None:
    done = headgate(platform, "gate", "run", "qualty")
    assert done.code == ExitCode.USAGE
    assert "quality" in done.err


# -- servers -----------------------------------------------------------------------------------------------------------


def test_an_unreachable_gitlab_changes_no_verdict_and_is_said(platform: Path) -> None:
    rewrite(platform / "headgate.yaml", ("https://gitlab.example.com", NOBODY))
    environ = {"GITLAB_CI": "true", "CI": "true", "CI_MERGE_REQUEST_IID": "1", "CI_COMMIT_SHA": "0" * 40}
    done = headgate(platform, "gate", "run", "dags", environ=environ | {"HEADGATE_GITLAB_TOKEN": "glpat-of-nobody-1"})
    assert done.code == ExitCode.PASS
    assert "warning" in done.err
    assert NOBODY in done.err
    assert "glpat-of-nobody-1" not in done.err + done.out


def test_a_wrong_gitlab_token_is_named_by_doctor(platform: Path, tmp_path: Path) -> None:
    with GitLabSandbox(tmp_path / "gitlab") as gitlab:
        gitlab.create_project("shop/data-platform")
        rewrite(platform / "headgate.yaml", ("https://gitlab.example.com", gitlab.url))
        done = headgate(
            platform, "doctor", "--timeout-s", "30", environ={"HEADGATE_GITLAB_TOKEN": "glpat-wrong-token-1"}
        )
    assert done.code in {ExitCode.FAIL, ExitCode.UNDECIDED}
    assert "HEADGATE_GITLAB_TOKEN" in done.out
    assert "glpat-wrong-token-1" not in done.err + done.out


@pytest.fixture
def release_platform(platform: Path, tmp_path: Path) -> Path:
    """The platform with a GitOps repository of its own and an Argo CD that nobody answers for."""
    gitops = new_repository(tmp_path / "env")
    source = Path(__file__).resolve().parents[2] / "examples" / "shop" / "gitops"
    files = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    commit_files(gitops, files, "environment")
    gitops.run("config", "receive.denyCurrentBranch", "ignore")
    rewrite(
        platform / "headgate.yaml",
        ("https://argocd.example.com", NOBODY),
        ("git@gitlab.example.com:shop/env.git", str(gitops.path)),
    )
    return platform


def head(root: Path) -> str:
    return new_repository(root.parent / "env").rev_parse("main")


def test_an_unreachable_argocd_writes_nothing(release_platform: Path) -> None:
    before = head(release_platform)
    done = headgate(release_platform, *RELEASE, environ={"HEADGATE_ARGOCD_TOKEN": "a.b.token-of-nobody"})
    assert done.code == ExitCode.UNDECIDED
    assert NOBODY in done.message
    assert head(release_platform) == before


def test_a_missing_argocd_token_is_named(release_platform: Path) -> None:
    before = head(release_platform)
    done = headgate(release_platform, *RELEASE)
    assert done.code == ExitCode.USAGE
    assert "HEADGATE_ARGOCD_TOKEN" in done.message
    assert head(release_platform) == before


@pytest.fixture
def argocd() -> Iterator[ArgoCdSandbox]:
    with KubernetesSandbox() as kubernetes, ArgoCdSandbox(kubernetes.cluster) as server:
        yield server


def test_a_wrong_argocd_token_writes_nothing(release_platform: Path, argocd: ArgoCdSandbox) -> None:
    rewrite(release_platform / "headgate.yaml", (NOBODY, argocd.url))
    before = head(release_platform)
    done = headgate(release_platform, *RELEASE, environ={"HEADGATE_ARGOCD_TOKEN": "wrong.token.of-nobody"})
    assert done.code == ExitCode.USAGE
    assert "HEADGATE_ARGOCD_TOKEN" in done.message
    assert "wrong.token.of-nobody" not in done.err
    assert head(release_platform) == before


def test_a_missing_application_is_named(release_platform: Path, argocd: ArgoCdSandbox) -> None:
    rewrite(release_platform / "headgate.yaml", (NOBODY, argocd.url))
    before = head(release_platform)
    done = headgate(release_platform, *RELEASE, environ={"HEADGATE_ARGOCD_TOKEN": argocd.token("admin")})
    assert done.code == ExitCode.USAGE
    assert "recommender-prod" in done.message
    assert head(release_platform) == before


def test_an_unknown_service_names_the_nearest(release_platform: Path) -> None:
    done = headgate(release_platform, "release", "start", "recomender", "--env", "prod", "--version", "1")
    assert done.code == ExitCode.USAGE
    assert "recommender" in done.message


def test_an_unreachable_bucket_is_undecided(platform: Path) -> None:
    done = headgate(platform, *PUSH, environ={"STORAGE_EMULATOR_HOST": NOBODY})
    assert done.code == ExitCode.UNDECIDED
    assert "composer-staging" in done.message or NOBODY in done.message


def test_a_missing_bucket_is_named(platform: Path) -> None:
    with GcsSandbox() as storage:
        done = headgate(platform, *PUSH, environ={"STORAGE_EMULATOR_HOST": storage.url})
    assert done.code == ExitCode.USAGE
    assert "composer-staging" in done.message


def test_a_store_that_is_none_changes_no_verdict(platform: Path) -> None:
    rewrite(platform / "headgate.yaml", ("sqlite:///.headgate/events.db", "sqlite:////proc/nosuch/events.db"))
    done = headgate(platform, "gate", "run", "dags", "--no-note")
    assert done.code == ExitCode.PASS
    assert "warning" in done.err
