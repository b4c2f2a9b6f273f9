"""Building into the cache: once, completely or not at all, and with words when something is missing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from headgate.errors import ConfigError, RemoteStateError
from tests.live.build import PARTS, Built, Part, build, cache_root

GO_MOD = "module example.invalid/tiny\n\ngo 1.24\n\nrequire example.invalid/upstream v1.2.3\n\nreplace example.invalid/upstream v1.2.3 => ./upstream\n"
MAIN = 'package main\n\nvar version = "none"\n\nfunc main() {{ println("{word}", version) }}\n'


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    """A module of one file, built into an empty cache with the Go cache of the real one."""
    monkeypatch.delenv("GOMODCACHE", raising=False)
    monkeypatch.setenv("GOCACHE", str(cache_root() / "go" / "build"))
    monkeypatch.setenv("HEADGATE_LIVE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "modules" / "tiny"
    (folder / "upstream" / "manifests").mkdir(parents=True)
    (folder / "upstream" / "go.mod").write_text("module example.invalid/upstream\n", "utf-8")
    (folder / "upstream" / "manifests" / "one.yaml").write_text("kind: One\n", "utf-8")
    (folder / "go.mod").write_text(GO_MOD, "utf-8")
    (folder / "main.go").write_text(MAIN.format(word="first"), "utf-8")
    return Part(
        name="tiny",
        module="example.invalid/upstream",
        package=".",
        programs=("tiny", "other-name"),
        ldflags=("-X=main.version={number}",),
        manifests=("manifests",),
        modules=folder.parent,
    )


def cached() -> list[str]:
    """What a build leaves in the cache beside Go's own things and the lock."""
    return sorted(entry.name for entry in cache_root().iterdir() if entry.name not in {"go", "lock"})


def test_every_part_is_pinned() -> None:
    assert {part.name: part.version for part in PARTS} == {
        "etcd": "v3.6.16",
        "kubernetes": "v1.36.3",
        "argo-cd": "v3.2.11",
        "argo-rollouts": "v1.10.1",
        "helm": "v3.18.4",
    }


def test_a_part_is_built_once_and_again_when_its_source_changes(part: Part) -> None:
    said: list[str] = []
    first = build(said.append, (part,))
    assert build(said.append, (part,)) == first
    assert [line.partition("] ")[2].partition(" (")[0].partition(" in ")[0] for line in said] == [
        "tiny v1.2.3: building",
        "tiny v1.2.3: built",
        "tiny v1.2.3: built already",
    ]
    (part.folder / "main.go").write_text(MAIN.format(word="second"), "utf-8")
    assert build(said.append, (part,)).folders["tiny"] != first.folders["tiny"]
    assert len(cached()) == 2


def test_a_built_part_has_its_names_its_version_and_its_manifests(part: Part) -> None:
    built = build(print, (part,))
    programs = [built.program(name) for name in part.programs]
    assert [b"1.2.3" in program.read_bytes() for program in programs] == [True, True]
    assert [file.name for file in built.manifests("tiny", "manifests")] == ["one.yaml"]


def test_a_failed_build_says_why_and_leaves_nothing(part: Part) -> None:
    (part.folder / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n", "utf-8")
    with pytest.raises(RemoteStateError, match=r"(?s)go build of tiny failed.*undefined: nonsense"):
        build(print, (part,))
    assert cached() == []


def test_runs_side_by_side_build_one_after_the_other(part: Part) -> None:
    said: list[str] = []
    results: list[Built] = []
    threads = [threading.Thread(target=lambda: results.append(build(said.append, (part,)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 3
    assert sum("built in" in line for line in said) == 1
    assert sum("built already" in line for line in said) == 2


def test_what_only_the_build_needed_is_removed_and_a_cache_of_the_user_is_not(part: Part) -> None:
    downloaded = cache_root() / "go" / "mod" / "some" / "module"
    downloaded.mkdir(parents=True)
    build(print, (part,))
    assert not downloaded.exists()
    assert any(Path(os.environ["GOCACHE"]).iterdir())


def test_without_go_it_says_what_to_install(part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"Go is not installed.*Install Go 1\.26\.1 or newer"):
        build(print, (part,))
