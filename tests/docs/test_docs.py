"""The documentation says what the code does: generated parts are current, and nothing documented is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cicd.cli.main import COMMANDS
from headgate.exit_codes import MEANING
from tools import docs

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = docs.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert docs.rewrite(text) == text, "run tools/docs.py"


def test_every_configuration_key_has_a_meaning() -> None:
    silent = [line for line in docs.configuration().splitlines() if line.rstrip().endswith("|  |")]
    assert silent == []


def test_every_option_has_a_meaning() -> None:
    silent = [line for line in docs.commands().splitlines() if re.fullmatch(r"\| `.*` \|\s*\|", line)]
    assert silent == []


def test_the_readme_is_a_readme() -> None:
    assert 150 <= len(README.splitlines()) <= 300


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"`(headgate )?{name}\b", README), name


@pytest.mark.parametrize("code", sorted(MEANING))
def test_every_exit_code_is_in_the_readme(code: int) -> None:
    assert f"| {int(code)} | {MEANING[code]} |" in README  # type: ignore[index]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_the_make_targets_of_the_readme_exist() -> None:
    named = set(re.findall(r"`make (\w+)`", README)) | set(re.findall(r"^\$ make (\w+)", README, re.MULTILINE))
    made = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= made


def test_an_old_python_is_told_so() -> None:
    """The bootstrap is plain enough to be read by the interpreters it has to refuse."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 7))",
            str(ROOT / "tools/bootstrap.py"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
