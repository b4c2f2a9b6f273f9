"""The command line as a whole: help, errors and exit codes, without any command's own work."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from cicd.cli import main as entry
from cicd.cli.failure import EXTRAS, report
from headgate.errors import ConfigError, RemoteTimeoutError
from headgate.exit_codes import ExitCode
from headgate.secrets import Secret


@pytest.mark.parametrize("name", sorted(entry.COMMANDS))
def test_every_command_named_in_the_help_exists_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([name, "--help"]) == ExitCode.PASS
    assert "Usage: headgate" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(entry.COMMANDS))
def test_the_short_help_is_the_one_in_the_table(name: str) -> None:
    command = entry.cli.get_command(click.Context(entry.cli), name)
    assert command is not None
    assert command.name == name


def test_help_imports_no_command_and_no_heavy_library() -> None:
    code = (
        "import sys; from cicd.cli.main import main; main(['--help']);"
        "heavy = {'pydantic', 'httpx', 'yaml', 'sqlalchemy', 'gitlab', 'requests', 'asyncio', 'pandas'} & set(sys.modules);"
        "commands = [m for m in sys.modules if m.startswith('cicd.cli.') and m != 'cicd.cli.main'];"
        "print('LOADED', sorted(heavy), commands)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "LOADED [] []"


@pytest.mark.parametrize("name", sorted(entry.COMMANDS))
def test_help_of_a_command_imports_no_heavy_library(name: str) -> None:
    code = (
        f"import sys; from cicd.cli.main import main; main([{name!r}, '--help']);"
        "heavy = {'pydantic', 'httpx', 'yaml', 'sqlalchemy', 'gitlab', 'requests', 'pandas', 'starlette'} & set(sys.modules);"
        "print('LOADED', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_a_misspelt_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["relase"]) == ExitCode.USAGE
    assert "Did you mean 'release'?" in capsys.readouterr().err


def test_an_unknown_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--nosuch"]) == ExitCode.USAGE
    assert "--nosuch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.USAGE),
        (RemoteTimeoutError("x"), ExitCode.UNDECIDED),
        (ZeroDivisionError("x"), ExitCode.UNEXPECTED),
    ],
)
def test_an_error_becomes_one_paragraph_and_its_exit_code(
    error: Exception, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error) == code
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1
    assert "Traceback" not in text


@pytest.mark.parametrize("module", sorted(EXTRAS))
def test_a_missing_extra_is_named(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ModuleNotFoundError(f"No module named {module!r}", name=f"{module}.part")) == ExitCode.USAGE
    assert f"headgate[{EXTRAS[module]}]" in capsys.readouterr().err


def test_the_extras_named_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(EXTRAS.values()) | {"all"} == set(project["project"]["optional-dependencies"])


def test_a_missing_module_of_our_own_is_a_defect(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ModuleNotFoundError("No module named 'cicd.nosuch'", name="cicd.nosuch")) == ExitCode.UNEXPECTED
    assert "defect" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_is_no_defect() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "cicd", "completion", "bash"],
            cwd=Path(__file__).resolve().parents[2],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == ExitCode.UNDECIDED
    assert (
        done.stderr == "headgate: error: output: No space left on device. Make room, and run the same command again.\n"
    )


def test_a_secret_in_an_error_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    secret = Secret("very-secret-token-1")
    report(ConfigError(f"refused {secret.reveal()}"))
    assert "very-secret-token-1" not in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["completion", shell]) == ExitCode.PASS
    assert "_HEADGATE_COMPLETE" in capsys.readouterr().out
