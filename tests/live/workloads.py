"""From an image's name to the program that the node agent runs for it.

The example's recommender is the only program; the catalogue runs it too. The end of the tag says how it behaves:

    1.0.0, 1.1.0, 1.0.0-rc.1     good
    1.2.0-errors, -errors10      3 % (10 %) of the recommendations answer 500
    1.2.0-slow, -slow800         500 ms (800 ms) added to each recommendation
    1.2.0-never-ready            runs, and is never ready
    1.2.0-crash, -crash5         ends with status 1 after 60 s (5 s)
    1.2.0-missing                is in no registry: ErrImagePull

The version before it may be left out (`shop/recommender:slow`).
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "examples" / "shop" / "platform" / "services" / "recommender"
LAUNCHER = Path(__file__).parent / "launcher.py"
REPOSITORIES = frozenset({"shop/recommender", "shop/catalogue"})
_VARIANT = re.compile(r"(?:^|-)(?P<name>errors|slow|never-ready|crash|missing)(?P<number>\d{1,5})?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What an image runs: the environment that is baked into it, and its version."""

    version: str
    environment: Mapping[str, str] = field(default_factory=dict)


def parse_image(image: str) -> Program | None:
    """The program of `repository:tag`; None when no registry has it."""
    repository, _, tag = image.partition("@")[0].partition(":")
    if repository not in REPOSITORIES:
        return None
    tag = tag or "latest"
    found = _VARIANT.search(tag)
    name, number = (found["name"], found["number"]) if found else ("good", None)
    if name == "missing":
        return None
    return Program(version=tag, environment=_environment(name, int(number) if number else None))


def _environment(variant: str, number: int | None) -> dict[str, str]:
    if variant == "errors":
        return {"BAD_ERROR_RATIO": str(min(3 if number is None else number, 100) / 100)}
    if variant == "slow":
        return {"SLOW_S": str((500 if number is None else number) / 1000)}
    if variant == "never-ready":
        return {"READY_AFTER_S": "inf"}
    if variant == "crash":
        return {"CRASH_AFTER_S": str(60 if number is None else number)}
    return {}


def unpack(program: Program, folder: Path) -> list[str]:
    """Put the program's files below `folder`, as a node unpacks an image, and return its command line.

    The launcher sees to it that the process does not outlive the agent.
    """
    root = folder / re.sub(r"[^A-Za-z0-9_.-]", "_", program.version)
    root.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SERVICE / "app.py", root / "app.py")
    (root / "VERSION").write_text(f"{program.version}\n", encoding="utf-8")
    return [sys.executable, "-I", "-B", str(LAUNCHER), str(root / "app.py")]
