"""The example platform, copied so that tests can change it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHOP = Path(__file__).parents[2] / "examples" / "shop"
PLATFORM = SHOP / "platform"
GITOPS = SHOP / "gitops"
CHANGES = SHOP / "changes"
_BUILT = shutil.ignore_patterns(
    "__pycache__", "raw", "standardised", "staging", "curated", ".headgate", "reports", "*.pyc"
)


def copy_platform(target: Path, change: str | None = None) -> Path:
    """The platform without built data, with the files of `changes/<change>` laid over it."""
    shutil.copytree(PLATFORM, target, ignore=_BUILT)
    if change is not None:
        shutil.copytree(CHANGES / change, target, dirs_exist_ok=True, ignore=_BUILT)
    return target


def run_python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `root` as a user of the platform would, without this suite's settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHON", "COV_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
