"""Builds the real servers from their pinned Go modules, into a cache outside the work tree.

A part is built when its own inputs (go.mod, go.sum, main.go, flags, Go's version) are new, in a folder beside its
place, and then moved there: a part that is there is complete. Unless GOCACHE or GOMODCACHE name Go's own caches, they
are in the same folder, and gone (11 GB) when everything is built.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headgate import process
from headgate.errors import ConfigError, RemoteStateError

MODULES = Path(__file__).parent / "servers"
BUILD_TIMEOUT_S = 3600.0
GO_NEXT_STEP = "Install Go 1.26.1 or newer and put it on PATH (https://go.dev/doc/install)."
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Go module, the program it gives, the names the program goes by, and the manifests it brings.

    `module` is the Go module whose folders `manifests` are copied (relative to its root).
    """

    name: str
    module: str
    package: str
    programs: tuple[str, ...]
    ldflags: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    minutes: str = "1 min"
    modules: Path = MODULES

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return self.modules / self.name

    @property
    def version(self) -> str:
        """The version that go.mod pins."""
        for line in (self.folder / "go.mod").read_text("utf-8").splitlines():
            words = line.replace("require ", "").split()
            if len(words) >= 2 and words[0] == self.module:
                return words[1]
        raise ConfigError(f"go.mod does not require {self.module}", where=str(self.folder / "go.mod"))


_KUBE = "k8s.io/component-base/version"
PARTS = (
    Part(
        name="etcd",
        module="go.etcd.io/etcd/server/v3",
        package="go.etcd.io/etcd/server/v3",
        programs=("etcd",),
    ),
    Part(
        name="kubernetes",
        module="k8s.io/kubernetes",
        package=".",
        programs=("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        # Without these the API says v0.0.0-master, which Argo CD can't read.
        ldflags=(
            f"-X={_KUBE}.gitVersion={{version}}",
            f"-X={_KUBE}.gitMajor={{major}}",
            f"-X={_KUBE}.gitMinor={{minor}}",
        ),
        minutes="4 min",
    ),
    Part(
        name="argo-cd",
        module="github.com/argoproj/argo-cd/v3",
        package="github.com/argoproj/argo-cd/v3/cmd",
        programs=("argocd-server", "argocd-repo-server", "argocd-application-controller"),
        ldflags=("-X=github.com/argoproj/argo-cd/v3/common.version={number}",),
        manifests=("manifests/crds", "manifests/base/config"),
        minutes="4 min",
    ),
    Part(
        name="argo-rollouts",
        module="github.com/argoproj/argo-rollouts",
        package="github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
        programs=("argo-rollouts",),
        ldflags=("-X=github.com/argoproj/argo-rollouts/utils/version.version={number}",),
        manifests=("manifests/crds",),
    ),
    Part(
        name="helm",  # Argo CD's repo-server calls it for charts
        module="helm.sh/helm/v3",
        package="helm.sh/helm/v3/cmd/helm",
        programs=("helm",),
        ldflags=("-X=helm.sh/helm/v3/internal/version.version={version}",),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Where the parts are."""

    parts: tuple[Part, ...]
    folders: dict[str, Path]

    def program(self, name: str) -> Path:
        """The program of that name. Raises `KeyError` when no part has it."""
        part = next((part for part in self.parts if name in part.programs), None)
        if part is None:
            raise KeyError(name)
        return self.folders[part.name] / name

    def manifests(self, part: str, folder: str) -> tuple[Path, ...]:
        """The YAML files of a part's folder, in the order of their names."""
        return tuple(sorted(p for p in (self.folders[part] / folder).glob("*.yaml") if p.name != "kustomization.yaml"))


def cache_root() -> Path:
    """HEADGATE_LIVE_CACHE, else headgate-live in XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("HEADGATE_LIVE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headgate-live"


def build(say: Say, parts: Sequence[Part] = PARTS) -> Built:
    """Build what is missing; a line per part. Two runs side by side build one after the other, the second nothing.

    Raises `ConfigError` without Go, `RemoteStateError` when Go fails.
    """
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    go = _go(root)
    wanted = {part.name: root / f"{part.name}-{part.version}-{_key(part, go.version)}" for part in parts}
    used = False
    with locked(root / "lock", say):
        for number, part in enumerate(parts, start=1):
            place, line = wanted[part.name], f"[{number}/{len(parts)}] {part.name} {part.version}"
            if place.is_dir():
                say(f"{line}: built already")
                continue
            say(f"{line}: building (about {part.minutes} without Go's cache)")
            began = time.monotonic()
            _build_part(part, go, place)
            used = True
            say(f"{line}: built in {time.monotonic() - began:.0f} s")
        for folder in go.scratch if used else ():
            shutil.rmtree(folder, ignore_errors=True)
    return Built(parts=tuple(parts), folders=wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Go:
    """The go command; `scratch` are the caches that are of no use once everything is built."""

    program: str
    version: str
    env: dict[str, str]
    scratch: tuple[Path, ...]


def _go(root: Path) -> _Go:
    program = shutil.which("go")
    if program is None:
        raise ConfigError("Go is not installed, and the real servers are built with it", next_step=GO_NEXT_STEP)
    (root / "go" / "tmp").mkdir(parents=True, exist_ok=True)
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    caches = {"GOCACHE": root / "go" / "build", "GOMODCACHE": root / "go" / "mod"}
    env = {
        **{name: str(folder) for name, folder in caches.items()},
        **os.environ,
        # Go counts its uses in the folder of the user's configuration; its settings are read from the usual place.
        "GOENV": os.environ.get("GOENV", f"{config}/go/env"),
        "XDG_CONFIG_HOME": str(root / "go" / "config"),
        "GOTMPDIR": str(root / "go" / "tmp"),
        "CGO_ENABLED": "0",
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),
        "GOWORK": "off",
    }
    done = process.run([program, "env", "GOVERSION"], timeout_s=60, env=env, cwd=MODULES)
    if done.returncode != 0:
        raise ConfigError(f"go does not run: {done.stderr.strip()[-300:]}", where=program, next_step=GO_NEXT_STEP)
    scratch = tuple(folder for name, folder in caches.items() if name not in os.environ)
    return _Go(program=program, version=done.stdout.strip(), env=env, scratch=scratch)


def _key(part: Part, go_version: str) -> str:
    digest = hashlib.sha256()
    for file in sorted(file for file in part.folder.iterdir() if file.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    digest.update(repr((go_version, part.package, part.programs, part.ldflags, part.manifests)).encode())
    return digest.hexdigest()[:12]


def _build_part(part: Part, go: _Go, place: Path) -> None:
    number = part.version.removeprefix("v")
    major, minor, _ = number.split(".", 2)
    values = {"version": part.version, "number": number, "major": major, "minor": minor}
    flags = " ".join(["-s", "-w", *(flag.format(**values) for flag in part.ldflags)])
    with tempfile.TemporaryDirectory(prefix=f".{part.name}-", dir=place.parent) as temporary:
        made = Path(temporary) / "part"
        made.mkdir()
        first, *others = part.programs
        _run_go(
            part,
            go,
            "build",
            "-p=2",
            "-trimpath",
            "-buildvcs=false",
            f"-ldflags={flags}",
            f"-o={made / first}",
            part.package,
        )
        for other in others:  # the program looks at its own name
            (made / other).symlink_to(first)
        if part.manifests:
            source = Path(json.loads(_run_go(part, go, "list", "-m", "-json", part.module))["Dir"])
            for folder in part.manifests:
                shutil.copytree(source / folder, made / folder, copy_function=shutil.copyfile)
        made.rename(place)


def _run_go(part: Part, go: _Go, *args: str) -> str:
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    done = process.run([*nice, go.program, *args], timeout_s=BUILD_TIMEOUT_S, env=go.env, cwd=part.folder)
    if done.returncode != 0:
        end = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise RemoteStateError(
            f"go {args[0]} of {part.name} failed:\n{end}\n",
            where=str(part.folder),
            next_step="See whether the Go module proxy can be reached (go env GOPROXY), and the version of Go: 1.26.1 or newer.",
        )
    return done.stdout


@contextlib.contextmanager
def locked(path: Path, say: Say) -> Iterator[None]:
    """Nobody else builds meanwhile."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
