"""Finding and reading `headgate.yaml`; without one, what the repository itself shows."""

from __future__ import annotations

import os
from pathlib import Path

from cicd.config.document import MAX_BYTES, parse_document
from cicd.config.model import Config
from cicd.config.places import FILE_NAME, find, repository_root
from cicd.config.problems import validate
from headgate.errors import ConfigError


def load(path: str | None = None) -> tuple[Config, Path]:
    """The configuration and the folder that its relative paths count from.

    With `path` that file is read. Otherwise `headgate.yaml` is searched from the working directory upwards, not beyond
    the repository it is in; when there is none, the configuration is detected from the files there.
    Raises `ConfigError`: for a file, every problem at once with its line; without one, when nothing can be detected.
    """
    file = Path(path) if path is not None else find(Path.cwd())
    if file is None:
        from cicd.config.detect import detect

        root = repository_root(Path.cwd())
        return detect(root), root
    return parse_config(_read(file), _display(file)), file.absolute().parent


def parse_config(data: bytes, name: str = FILE_NAME) -> Config:
    """The configuration in `data`; `name` is how messages call the file. Pure. Raises `ConfigError`."""
    return validate(parse_document(data, name))


def _read(file: Path) -> bytes:
    try:
        if not file.is_file():
            reason = "it is not a regular file" if file.exists() else "there is no such file"
            raise ConfigError(
                f"the configuration cannot be read: {reason}",
                where=str(file),
                next_step="Correct --config, or run `headgate init` to write one.",
            )
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise ConfigError(
            f"the configuration cannot be read: {error}",
            where=str(file),
            next_step="Correct its permissions or --config.",
        ) from error


def _display(file: Path) -> str:
    """The shorter of the absolute path and the one from the working directory."""
    relative = os.path.relpath(file.absolute())
    return min(relative, str(file.absolute()), key=len)
