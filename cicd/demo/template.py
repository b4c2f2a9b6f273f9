"""Copying the example platform with its addresses replaced."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

_BUILT = shutil.ignore_patterns(
    "__pycache__", "*.pyc", "raw", "staging", "curated", "standardised", ".headgate", ".pytest_cache"
)


def copy_template(source: Path, target: Path, replacements: Mapping[str, str]) -> None:
    """Copy the tree `source` to `target` (which must not exist), without what its pipelines have built.

    In text files every key of `replacements` becomes its value; longer keys first, so that one may contain another.
    """
    shutil.copytree(source, target, ignore=_BUILT)
    for path in sorted(target.rglob("*")):
        if path.is_file():
            _replace(path, replacements)


def _replace(path: Path, replacements: Mapping[str, str]) -> None:
    try:
        text = before = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for old in sorted(replacements, key=len, reverse=True):
        text = text.replace(old, replacements[old])
    if text != before:
        path.write_text(text, encoding="utf-8")
