"""Defaults from what a repository contains, and the file that writes them down."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.cli.main import main
from cicd.config.detect import Detected, Remote, detect_config, list_files, origin, parse_remote
from cicd.config.load import parse_config
from cicd.config.model import Config, GatesConfig
from cicd.config.scaffold import quote, render_config
from headgate.exit_codes import ExitCode
from tests.testing.repositories import new_repository


def detected(*files: str, remote: str | None = None) -> Detected:
    return detect_config(files, folder="shop", remote=remote)


@pytest.mark.parametrize(
    ("files", "gates"),
    [
        ((), set()),
        (("README.md", "src/dags/a.py", "mytests/a.py"), set()),
        (("tests/test_a.py",), {"unit"}),
        (("tests/data.json",), set()),
        (("dags/a.py",), {"dags"}),
        (("dags/readme.md",), set()),
        (("gx/expectations/orders.json", "data/curated/orders.parquet"), {"quality"}),
        (("gx/expectations/orders.json",), set()),
        (("tests/a.py", "dags/b/c.py", "gx/expectations/o.json", "data/o.csv"), {"unit", "quality", "dags"}),
    ],
)
def test_gates_follow_from_the_files(files: tuple[str, ...], gates: set[str]) -> None:
    found = detected(*files).config.gates
    assert {name for name in ("unit", "quality", "dags") if getattr(found, name)} == gates


@pytest.mark.parametrize(
    ("files", "data"),
    [
        (("data/o.csv",), "data/o.csv"),
        (("data/raw/o.jsonl", "data/curated/o.parquet"), "data/curated/o.parquet"),
        (("data/curated/o/1.parquet", "data/curated/o/2.parquet"), "data/curated/o/*.parquet"),
        (("data/o.csv", "data/o.parquet"), "data/o.parquet"),
    ],
)
def test_a_suite_is_paired_with_data_of_its_name(files: tuple[str, ...], data: str) -> None:
    (check,) = detected("gx/expectations/o.json", *files).config.gates.quality
    assert (check.name, check.suite, check.data) == ("o", "gx/expectations/o.json", data)


def test_what_cannot_be_configured_is_remarked() -> None:
    remarks = detected("gx/expectations/lost.json", "infra/main.tf", "dags/a.py").remarks
    assert [remark.split(":")[0] for remark in remarks] == ["gx/expectations/lost.json", "dags/", "*.tf"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://gitlab.example.com/shop/p.git", Remote(scheme="https", host="gitlab.example.com", path="shop/p")),
        ("https://u:secret@git.example.com:8443/p", Remote(scheme="https", host="git.example.com:8443", path="p")),
        ("http://127.0.0.1:80/a/b/", Remote(scheme="http", host="127.0.0.1:80", path="a/b")),
        ("ssh://git@git.example.com:2222/a/b.git", Remote(scheme="ssh", host="git.example.com", path="a/b")),
        ("git@gitlab.example.com:a/b/c.git", Remote(scheme="ssh", host="gitlab.example.com", path="a/b/c")),
        ("/srv/git/p.git", None),
        ("../p", None),
        ("file:///srv/p.git", None),
        ("https://[bad", None),
        ("https://host:99999/p", None),
        ("", None),
    ],
)
def test_parse_remote(url: str, expected: Remote | None) -> None:
    assert parse_remote(url) == expected


@given(st.text())
def test_parse_remote_takes_any_text(url: str) -> None:
    found = parse_remote(url)
    assert found is None or found.path


def test_the_forge_is_told_from_the_remote() -> None:
    config = detected("tests/a.py", remote="git@gitlab.example.com:shop/p.git").config
    assert config.project == "shop/p"
    assert config.forge is not None
    assert (config.forge.url, config.forge.project) == ("https://gitlab.example.com", "shop/p")


def test_another_forge_is_not_taken_for_gitlab() -> None:
    config = detected("tests/a.py", remote="git@code.example.com:shop/p.git").config
    assert (config.project, config.forge) == ("shop/p", None)


def test_caches_and_environments_are_not_listed(tmp_path: Path) -> None:
    for name in (".venv/tests/a.py", "node_modules/b.py", "dags/__pycache__/c.pyc", "dags/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_files(tmp_path) == ("dags/d.py",)


def test_origin(tmp_path: Path) -> None:
    assert origin(tmp_path) is None
    git = new_repository(tmp_path / "r")
    assert origin(git.path) is None
    git.run("remote", "add", "origin", "git@gitlab.example.com:a/b.git")
    assert origin(git.path) == "git@gitlab.example.com:a/b.git"


_names = st.text(alphabet="abz019._- :#'\"é", min_size=1, max_size=12)


@given(
    st.lists(
        st.one_of(
            _names.map(lambda n: f"tests/{n}.py"),
            _names.map(lambda n: f"dags/{n}.py"),
            _names.map(lambda n: f"gx/expectations/{n}.json"),
            _names.map(lambda n: f"data/{n}.csv"),
            st.sampled_from(["gx/expectations/o.json", "data/o.csv", "infra/a.tf"]),
        )
    ),
    st.text(min_size=1, max_size=20),
    st.sampled_from([None, "git@gitlab.example.com:a/b.git", "https://gitlab.x/ü/yes"]),
)
def test_the_written_file_reads_back_as_what_was_detected(files: list[str], folder: str, remote: str | None) -> None:
    found = detect_config(files, folder=folder, remote=remote)
    assert parse_config(render_config(found).encode("utf-8", "surrogatepass")) == found.config


@pytest.mark.parametrize("text", ["yes", "1.0", "a: b", "null", "-x", "it's", 'q"', "a\nb", "é", "", "~"])
def test_quote_reads_back_as_the_same_text(text: str) -> None:
    config = parse_config(f"version: 1\nproject: {quote(text)}\n".encode())
    assert config.project == text


def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "headgate.yaml"


def test_init_writes_a_valid_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = repository(tmp_path, monkeypatch)
    assert main(["init"]) == ExitCode.PASS
    assert "gates: unit tests" in capsys.readouterr().out
    assert parse_config(target.read_bytes()).gates.unit is not None
    assert main(["config", "check"]) == ExitCode.PASS


def test_init_in_an_empty_folder_writes_comments_to_fill_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == ExitCode.PASS
    text = (tmp_path / "headgate.yaml").read_text()
    assert parse_config(text.encode()).gates == GatesConfig()
    assert "# gates:" in text


def test_the_comments_of_the_written_file_are_a_valid_configuration() -> None:
    text = render_config(detected())
    lines = [line for line in text.splitlines() if line.strip()]
    # A comment is either a sentence or a setting; settings are what a person uncomments.
    settings = [line for line in lines if not line.lstrip().startswith("# ") or not _is_sentence(line)]
    uncommented = "\n".join(line.replace("# ", "", 1) if line.lstrip().startswith("# ") else line for line in settings)
    config = parse_config(uncommented.encode())
    assert isinstance(config, Config)
    assert config.deploy is not None
    assert config.dags is not None
    assert config.gates.unit is not None


def _is_sentence(line: str) -> bool:
    words = line.lstrip().removeprefix("# ")
    return words[:1].isupper()


def test_init_dry_run_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = repository(tmp_path, monkeypatch)
    assert main(["init", "--dry-run"]) == ExitCode.PASS
    assert parse_config(capsys.readouterr().out.encode()).gates.unit is not None
    assert not target.exists()


def test_init_does_not_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = repository(tmp_path, monkeypatch)
    target.write_text("mine")
    assert main(["init"]) == ExitCode.USAGE
    assert target.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert main(["init", "--force"]) == ExitCode.PASS
    assert target.read_text().startswith("# What may pass")


def test_init_into_a_folder_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "no" / "headgate.yaml"), "init"]) == ExitCode.USAGE
    assert "cannot be written" in capsys.readouterr().err
