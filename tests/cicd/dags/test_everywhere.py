"""What every kind of target promises, through the commands as a user runs them: file, gs and s3 alike."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cicd.cli.main import main
from cicd.dags.delivery import deliver
from cicd.dags.sources import from_release
from cicd.dags.stores.port import DagStore
from headgate.clock import parse_timestamp
from headgate.errors import NotFoundError
from headgate.git import Git
from tests.testing.dag_buckets import KINDS, buckets_of
from tests.testing.dag_stores import bundle, contents, loader, quiet
from tests.testing.repositories import commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock

DAG = b"from airflow.sdk import DAG\nfrom lib import helper\n"
FOREIGN = {
    "airflow_monitoring.py": b"# Composer's own",
    "team_b/dag.py": b"# theirs",
    "lib/theirs.py": b"# beside our files",
    "100%#?/\U0001f680 b.py": b"# oddly named",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository, a bucket with files of others, and the command."""

    git: Git
    url: str
    store: DagStore
    capsys: pytest.CaptureFixture[str]

    def commit(self, files: Mapping[str, bytes]) -> str:
        """A commit whose DAG folder holds exactly `files`."""
        self.git.run("rm", "-r", "-q", "--ignore-unmatch", "dags")
        return commit_files(self.git, {f"dags/{path}": data for path, data in files.items()}, "next")

    def run(self, *args: str, url: str | None = None) -> tuple[int, str, str]:
        code = main(["dags", *args, "--target", url or self.url])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def push(self, files: Mapping[str, bytes], *more: str) -> str:
        """Commit and deliver; the name of the release."""
        self.commit(files)
        code, out, err = self.run("push", "-o", "json", *more)
        assert code == 0, err
        return str(json.loads(out)["targets"][0]["release"])

    def by_hand(self, path: str, data: bytes | None) -> int:
        """Change an object as somebody else would; its generation before."""
        there = self.store.read(f"dags/{path}")
        generation = there[1] if there else 0
        if data is None:
            self.store.delete(f"dags/{path}", if_generation=generation)
        else:
            self.store.write(f"dags/{path}", data, if_generation=generation)
        return generation

    def holds(self, files: Mapping[str, bytes]) -> bool:
        return contents(self.store) == {**files, **FOREIGN}


@pytest.fixture(params=KINDS)
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Place]:
    git = new_repository(tmp_path / "repo")
    monkeypatch.chdir(git.path)
    with buckets_of(request.param, tmp_path, monkeypatch) as buckets:
        url, store = buckets.new("bucket")
        for path, data in FOREIGN.items():
            store.write(f"dags/{path}", data, if_generation=0)
        yield Place(git=git, url=url, store=store, capsys=capsys)


def tree(number: int) -> dict[str, bytes]:
    return {
        "dag.py": DAG + b"# %d\n" % number,
        "lib/helper.py": b"H = %d\n" % number,
        f"only_{number}.sql": bytes(range(256)) * (number + 1),
        "same.csv": b"a,b\r\n",
    }


def test_rollback_to_each_of_the_last_ten_releases(place: Place) -> None:
    clock, mine = SteppedClock(), bundle(place.store)
    releases = [
        deliver(mine, loader(tree(number)), clock=clock, progress=quiet).manifest.release for number in range(12)
    ]
    for number in range(1, 11):
        deliver(mine, from_release(mine.ledger, releases[number]), clock=clock, progress=quiet)
        assert place.holds(tree(number))
    with pytest.raises(NotFoundError, match="no kept release"):
        deliver(mine, from_release(mine.ledger, releases[0]), clock=clock, progress=quiet)


def test_drift_by_hand_is_named_and_repaired(place: Place) -> None:
    place.push(tree(1))
    place.by_hand("dag.py", b"urgent fix")
    place.by_hand("lib/helper.py", None)
    (changed,) = [item for item in place.store.list("dags/") if item.path == "dags/dag.py"]
    code, out, _ = place.run("drift", "--detailed-exitcode", "-o", "json")
    found: list[dict[str, Any]] = json.loads(out)["targets"][0]["drift"]
    assert code == 5
    assert [(item["kind"], item["path"]) for item in found] == [("changed", "dag.py"), ("missing", "lib/helper.py")]
    assert found[0]["generation"]
    assert changed.updated is not None
    assert parse_timestamp(found[0]["updated"]).replace(microsecond=0) == changed.updated.replace(microsecond=0)
    code, _, err = place.run("push")
    assert code == 2
    assert "'dag.py' is changed by hand since release r1-" in err
    assert place.run("push", "--repair")[0] == 0
    assert place.holds(tree(1))
    assert place.run("drift", "--detailed-exitcode")[0] == 0


def test_objects_of_others_survive_everything(place: Place) -> None:
    place.push(tree(1))
    assert place.holds(tree(1))
    place.push(tree(2))
    place.run("rollback", "--yes")
    place.push({"other.py": DAG}, "--allow-mass-delete", "--yes")
    assert place.holds({"other.py": DAG})
    place.commit({"other.py": DAG, "airflow_monitoring.py": b"ours now"})
    code, _, err = place.run("push", "--repair", "--allow-mass-delete")
    assert code == 2
    assert "'airflow_monitoring.py' is in the bucket with other content, and no release owns it" in err
    place.commit({"zipped.py": DAG})
    assert place.run("push", "--zip", "--allow-mass-delete", "--yes")[0] == 0
    assert set(contents(place.store)) == {"dags.zip", *FOREIGN}


def test_mass_delete_is_refused(place: Place) -> None:
    place.push({f"f{number}.sql": b"%d" % number for number in range(20)})
    place.commit({"f1.sql": b"1"})
    code, _, err = place.run("push", "--yes")
    assert code == 2
    assert "the plan deletes 19 of 20 owned files, 95% > 50%" in err
    assert place.run("push", "--yes", "--allow-mass-delete")[0] == 0
    assert place.holds({"f1.sql": b"1"})


def test_overlapping_folders_and_the_root_are_refused(place: Place) -> None:
    place.push(tree(1))
    code, _, err = place.run("push", "--project", "other", url=f"{place.url}/team_c")
    assert code == 2
    assert "overlaps with 'dags' at " in err
    root = place.url.removesuffix("/dags")
    if not root.startswith("file:"):
        code, _, err = place.run("push", url=root)
        assert code == 2
        assert "the target is the root of a bucket" in err
    else:
        code, _, err = place.run("push", url="file:///")
        assert code == 2
        assert "the target is the root of the file system" in err
    if not root.startswith("file:"):  # there `..` is resolved, as everywhere in a file system
        code, _, err = place.run("push", url=f"{root}/dags/../elsewhere")
        assert code == 2
        assert "is not a target" in err
    assert place.holds(tree(1))


def test_a_folder_around_another_is_refused(place: Place) -> None:
    """The bundle that was there first lies in the folder of the next."""
    place.commit(tree(1))
    assert place.run("push", "--project", "inner", url=f"{place.url}/team_c")[0] == 0
    code, _, err = place.run("push")
    assert code == 2
    assert "overlaps with 'inner' at " in err
    assert place.run("push", "--allow-overlap")[0] == 0


def longest(prefix: str) -> str:
    """A name that makes 1 024 bytes with its prefix."""
    room = 1024 - len(prefix)
    parts = ["d" * 200] * 4
    return "/".join([*parts, "f" * (room - 4 * 201)])


ODD = [
    "a b+c.py",
    "100%.sql",
    "%2F%2e.sql",
    "a#b?c=d&e.txt",
    "é/ü.py",
    "\U0001f680/\U0001f9ea.csv",
    "[x]*.json",
    "'\"$;`",
]


def test_odd_names_are_delivered_and_taken_back(place: Place) -> None:
    first = {name: name.encode() for name in [*ODD, longest("dags/")]}
    place.push(first)
    assert place.holds(first)
    assert place.run("push")[1].count("nothing to do") == 1
    place.push({**dict.fromkeys(first, b"2"), "more.py": b"1"})
    assert place.run("rollback", "--yes")[0] == 0
    assert place.holds(first)


def newline(git: Git) -> None:
    commit_files(git, {"dags/a\nb.py": b"1"}, "odd")


def too_long(git: Git) -> None:
    commit_files(git, {f"dags/{longest('dags/')}x": b"1"}, "odd")


def link_out(git: Git) -> None:
    (git.path / "dags").mkdir(exist_ok=True)
    (git.path / "dags/link.py").symlink_to("../secret.py")
    commit_files(git, {"secret.py": b"1"}, "odd")


def absolute_link(git: Git) -> None:
    (git.path / "dags").mkdir(exist_ok=True)
    (git.path / "dags/link.py").symlink_to("/etc/passwd")
    commit_files(git, {}, "odd")


def dots(git: Git) -> None:
    """A tree with an entry `..`, which git itself refuses to check out."""
    blob = git.run("hash-object", "-w", "--stdin", stdin="1").strip()
    inner = made_tree(git, f"100644 blob {blob}\tescape.py")
    middle = made_tree(git, f"040000 tree {inner}\t..")
    top = made_tree(git, f"040000 tree {middle}\tdags")
    git.run("update-ref", "HEAD", git.run("commit-tree", top, "-m", "odd").strip())


def made_tree(git: Git, line: str) -> str:
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        input=_tree_object(line),
        cwd=git.path,
        env=git.environ(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def _tree_object(line: str) -> bytes:
    head, _, name = line.partition("\t")
    mode, _, oid = head.split()
    return f"{mode.lstrip('0')} {name}".encode() + b"\0" + bytes.fromhex(oid)


@pytest.mark.parametrize("make", [newline, too_long, link_out, absolute_link, dots])
def test_hostile_names_are_refused_before_anything_is_written(place: Place, make: Callable[[Git], None]) -> None:
    before = place.store.list("")
    make(place.git)
    code, _, err = place.run("push")
    assert code == 2
    assert "is refused: " in err
    assert "Traceback" not in err
    assert place.store.list("") == before
