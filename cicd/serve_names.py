"""The file of `headgate serve --names`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headgate.errors import ConfigError
from observability.collector.names import Names

_EXAMPLE = (
    "Write `services: {recommender: [shop/recommender, Recommender API]}` and `environments: {prod: [production]}`."
)
_KEYS = ("services", "environments")


def read_names(path: str | None) -> Names:
    """What is in the file; None: nothing. Raises `ConfigError` for what cannot be read or means two things."""
    if path is None:
        return Names()
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"the names cannot be read: {error}", where=path, next_step=_EXAMPLE) from error
    if not isinstance(content, dict) or not content or not content.keys() <= set(_KEYS):
        raise ConfigError("names are listed under `services` and `environments`", where=path, next_step=_EXAMPLE)
    services, environments = (_lists(content.get(key), f"{path}: {key}") for key in _KEYS)
    return Names(services=services, environments=environments)


def _lists(value: object, where: str) -> Mapping[str, Sequence[str]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("this is a list of names for each name of yours", where=where, next_step=_EXAMPLE)
    lists = {name: [names] if isinstance(names, str) else names for name, names in value.items()}
    seen: dict[str, str] = {}
    for ours, theirs in lists.items():
        if not (isinstance(ours, str) and isinstance(theirs, list) and all(isinstance(name, str) for name in theirs)):
            raise ConfigError("this is a list of names for each name of yours", where=where, next_step=_EXAMPLE)
        for name in theirs:
            if seen.setdefault(name, ours) != ours:
                raise ConfigError(
                    f"{name!r} is listed for {seen[name]!r} and for {ours!r}",
                    where=where,
                    next_step="Keep one of them.",
                )
    return lists
