"""The Git side of a project: a real bare repository, merged into with real Git."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headgate.git import Git, clone

ZERO = "0" * 40


class MergeConflict(Exception):  # noqa: N818 - named for what happened; caught by the merge endpoint
    """The branches cannot be merged without a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What GitLab shows of a commit; dates in strict ISO 8601."""

    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    authored_date: str
    committer_name: str
    committer_email: str
    committed_date: str
    message: str

    @property
    def title(self) -> str:
        return self.message.partition("\n")[0]


_FORMAT = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"


class Repository:
    """A bare repository. Callers serialise writes; pushes over the file system may come at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git = Git(path=path)

    @classmethod
    def create(cls, path: Path, default_branch: str) -> Repository:
        path.mkdir(parents=True)
        Git(path=path).run("init", "--quiet", "--bare", f"--initial-branch={default_branch}")
        return cls(path)

    def import_from(self, source: Path, default_branch: str) -> None:
        """Take over branches and tags of a repository, or the files of a plain folder as a first commit."""
        if Git(path=source).call("rev-parse", "--git-dir").returncode == 0 and (source / ".git").exists():
            self.git.run("fetch", "--quiet", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            return
        work = self.path.parent / f"{self.path.name}.import"
        shutil.copytree(source, work, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        try:
            git = Git(path=work, extra_env=identity("Administrator", "admin@example.com"))
            git.run("init", "--quiet", f"--initial-branch={default_branch}")
            git.run("add", "--all")
            git.run("commit", "--quiet", "--allow-empty", "--message", "Initial commit")
            git.run("push", "--quiet", str(self.path), f"HEAD:refs/heads/{default_branch}")
        finally:
            shutil.rmtree(work)

    def heads(self) -> dict[str, str]:
        """Branch heads by name."""
        text = self.git.run("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads")
        return {name: sha for sha, _, name in (line.partition(" ") for line in text.splitlines())}

    def signature(self) -> tuple[tuple[str, int], ...]:
        """Changes whenever a branch does; cheap enough to be asked twice a second."""
        files = [self.path / "packed-refs", *(self.path / "refs" / "heads").rglob("*")]
        found = []
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                found.append((str(file), file.stat().st_mtime_ns))
        return tuple(sorted(found))

    def commit(self, revision: str) -> Commit:
        """Raises `NotFoundError` for an unknown revision."""
        sha = self.git.rev_parse(revision)
        parts = self.git.run("show", "--no-patch", f"--format={_FORMAT}", sha).split("\0")
        return Commit(
            sha=parts[0],
            parents=tuple(parts[1].split()),
            author_name=parts[2],
            author_email=parts[3],
            authored_date=parts[4],
            committer_name=parts[5],
            committer_email=parts[6],
            committed_date=parts[7],
            message=parts[8].rstrip("\n"),
        )

    def history(self, revision: str, limit: int) -> list[Commit]:
        shas = self.git.run("rev-list", f"--max-count={limit}", self.git.rev_parse(revision)).split()
        return [self.commit(sha) for sha in shas]

    def has(self, revision: str) -> bool:
        return self.git.call("cat-file", "-e", f"{revision}^{{commit}}").returncode == 0

    def file(self, sha: str, path: str) -> str | None:
        done = self.git.call("cat-file", "blob", f"{sha}:{path}")
        return done.stdout if done.returncode == 0 else None

    def files(self, sha: str) -> list[str]:
        return self.git.run("ls-tree", "-r", "--name-only", "-z", sha).split("\0")[:-1]

    def changed(self, base: str, head: str) -> list[str]:
        if base == ZERO:
            return self.files(head)
        return self.git.run("diff", "--name-only", "-z", base, head).split("\0")[:-1]

    def merge_base(self, left: str, right: str) -> str:
        done = self.git.call("merge-base", left, right)
        return done.stdout.strip() if done.returncode == 0 else ZERO

    def branch_of(self, sha: str) -> str | None:
        """The first branch that holds the commit."""
        text = self.git.run("for-each-ref", "--format=%(refname:lstrip=2)", f"--contains={sha}", "refs/heads")
        return text.splitlines()[0] if text else None

    def set_ref(self, name: str, sha: str) -> None:
        self.git.run("update-ref", name, sha)

    def delete_branch(self, name: str) -> None:
        self.git.run("update-ref", "-d", f"refs/heads/{name}")

    def conflicts(self, target: str, source: str) -> bool:
        return self.git.call("merge-tree", "--write-tree", target, source).returncode != 0

    def merge(self, target_branch: str, source: str, message: str, author: Mapping[str, str]) -> str:
        """Merge commit `source` into the branch, always with a merge commit, and return it.

        Raises `MergeConflict`; raises `RemoteStateError` when the branch moved meanwhile (the ref is compared).
        """
        target = self.git.rev_parse(f"refs/heads/{target_branch}")
        done = self.git.call("merge-tree", "--write-tree", target, source)
        if done.returncode != 0:
            raise MergeConflict
        tree = done.stdout.split()[0]
        merged = self.git.run(
            "commit-tree", tree, "-p", target, "-p", source, "-F", "-", stdin=message, env=author
        ).strip()
        self.git.run("update-ref", f"refs/heads/{target_branch}", merged, target)
        return merged

    def checkout(self, sha: str, folder: Path) -> None:
        """A fresh clone at `sha`, detached, as a runner makes it."""
        git = clone(str(self.path), folder)
        git.run("fetch", "--quiet", "origin", "+refs/merge-requests/*:refs/merge-requests/*")
        git.run("checkout", "--quiet", "--detach", sha)


def identity(name: str, email: str) -> dict[str, str]:
    """Environment that makes Git write as this person."""
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
