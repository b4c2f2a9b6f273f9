"""redis-server and prometheus: the machine's own, or fetched from Debian's packages into the cache.

Fetching needs `apt-get` and `dpkg-deb` and no rights: the packages, and what they need that is not installed, are
unpacked beside the built servers. Nothing is installed, so no service is started and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from headgate import process
from headgate.errors import ConfigError
from tests.live.build import Say, cache_root

PACKAGES = {"redis-server": ("redis-server", "redis-tools"), "prometheus": ("prometheus",)}
"""Program -> the packages that it is made of; what those need is found by apt-get."""
NEXT_STEP = "Install them: apt-get update && apt-get install --no-install-recommends redis-server prometheus"
TIMEOUT_S = 300.0
_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """The two programs, and the environment that they need to find their libraries."""

    redis: Path
    prometheus: Path
    env: dict[str, str] = field(default_factory=dict)


def find(say: Say) -> Debian:
    """The installed programs, fetched ones where they are missing. Raises `ConfigError` that says how to get them."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{_SYSTEM}"
    installed = {package: shutil.which(package, path=path) for package in PACKAGES}
    missing = tuple(package for package, program in installed.items() if program is None)
    fetched = fetch(missing, cache_root(), say) if missing else None
    redis, prometheus = (Path(program or f"{fetched}/usr/bin/{package}") for package, program in installed.items())
    return Debian(redis=redis, prometheus=prometheus, env=library_path(fetched) if fetched else {})


def library_path(fetched: Path) -> dict[str, str]:
    """What a fetched program needs in its environment."""
    libraries = sorted(fetched.glob("usr/lib/*-linux-*"))
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))} if libraries else {}


def fetch(programs: tuple[str, ...], cache: Path, say: Say) -> Path:
    """Unpack the programs' packages into a folder of `cache`, once, and return that folder."""
    place = cache / "-".join(("debian", *programs))
    if place.is_dir():
        return place
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            what = f"{' and '.join(programs)}: not installed, and there is no {tool} to fetch the package"
            raise ConfigError(what, next_step=NEXT_STEP)
    say(f"{' and '.join(programs)}: fetching Debian's packages")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".debian-", dir=cache) as temporary:
        _unpack([package for program in programs for package in PACKAGES[program]], Path(temporary))
        try:
            (Path(temporary) / "root").rename(place)
        except OSError:  # another run was faster
            if not place.is_dir():
                raise
    return place


def _unpack(packages: list[str], folder: Path) -> None:
    for name in ("lists/partial", "archives/partial", "root"):
        (folder / name).mkdir(parents=True)
    options = [
        f"-oDir::State::lists={folder / 'lists'}",
        f"-oDir::Cache={folder}",
        f"-oDir::Cache::archives={folder / 'archives'}",
        "-oDebug::NoLocking=1",
        "-oAPT::Sandbox::User=",
        "-oAPT::Update::Post-Invoke=",
        "-oDpkg::Use-Pty=0",
    ]
    _run(["apt-get", *options, "-q", "update"])
    _run(
        ["apt-get", *options, "-qy", "--no-install-recommends", "--download-only", "--reinstall", "install", *packages]
    )
    for package in sorted((folder / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder / "root")])


def _run(argv: list[str]) -> None:
    done = process.run(argv, timeout_s=TIMEOUT_S)
    if done.returncode != 0:
        end = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ConfigError(f"Debian's packages could not be fetched: {argv[0]} said: {end}", next_step=NEXT_STEP)
