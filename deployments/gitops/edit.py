"""Change one value in a YAML file and nothing else: the bytes between the marks of one scalar are replaced.

Comments, quotes, indentation, line endings and flow style stay as they are, so that a release is a one-line diff.
(Round-trip dumpers re-indent whole files.) Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from headgate.errors import ConfigError

_VERSION = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}|sha256:[0-9a-f]{64})")
_KEY_PART = re.compile(r'"((?:[^"\\])+)"|\[(\d+)\]|([^.\[\]"]+)')
_PROPERTIES = re.compile(r"(?:[&!]\S*[ \t]+)*")  # an anchor or tag before the scalar lies inside its marks
# Read as a number or boolean by other YAML libraries (Go's, behind Helm and Argo CD), though not by PyYAML.
_NUMBER_ELSEWHERE = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|0[oxbOXB][\da-fA-F_]+|[yYnN]")
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_.+@:/-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A changed text, the version that it had before, and whether anything changed."""

    text: str
    before: str
    changed: bool


def check_version(version: str) -> str:
    """`version` if it can be an image tag (or `sha256:` digest). Raises `ConfigError` otherwise."""
    if not _VERSION.fullmatch(version):
        raise ConfigError(
            f"{version!r} cannot be a version: it must be a valid image tag or sha256 digest",
            next_step="Use letters, digits, `.`, `_`, `+` and `-`, at most 128.",
        )
    return version


def parse_key(key: str) -> tuple[str | int, ...]:
    """`spec.containers[0].image` as its parts; names with dots are quoted (`a."b.c"`). Raises `ConfigError`."""
    parts: list[str | int] = []
    at = 0
    while at < len(key):
        if parts and key[at] == ".":
            at += 1
        found = _KEY_PART.match(key, at)
        if not found or (not parts and found.group(2)):
            break
        quoted, index, name = found.groups()
        parts.append(int(index) if index else (quoted or name))
        at = found.end()
        if at < len(key) and key[at] not in ".[":
            break
    if not parts or at < len(key) or key.endswith("."):
        raise ConfigError(
            f"{key!r} is not a dotted key", next_step="Write it as image.tag or spec.template.spec.containers[0].image."
        )
    return tuple(parts)


def read_version(text: str, key: str, *, where: str = "") -> str:
    """The version under `key`: the scalar itself, or the tag of an image reference. Raises `ConfigError`."""
    parts = parse_key(key)
    return _version_of(_find(text, parts, key, where).value, parts)


def set_version(text: str, key: str, version: str, *, where: str = "") -> Edit:
    """`text` with `version` under `key`.

    A key that ends in `image` holds an image reference: only its tag or digest is replaced. The new text is parsed
    again before it is returned. Raises `ConfigError` for a key that is missing, ambiguous, or no plain scalar.
    """
    check_version(version)
    parts = parse_key(key)
    node = _find(text, parts, key, where)
    before = _version_of(node.value, parts)
    if before == version:
        return Edit(text=text, before=before, changed=False)
    wanted = _with_version(node.value, version, parts)
    start, end = node.start_mark.index, node.end_mark.index
    properties = _PROPERTIES.match(text, start, end)
    start = properties.end() if properties else start
    changed = text[:start] + _scalar(wanted, node.style) + text[end:]
    if _find(changed, parts, key, where).value != wanted:
        raise ConfigError(
            f"the value of {key} cannot be replaced in place",
            where=where,
            next_step="Write it as a plain or quoted scalar on one line.",
        )
    return Edit(text=changed, before=before, changed=True)


def _find(text: str, parts: tuple[str | int, ...], key: str, where: str) -> yaml.ScalarNode:
    """The one scalar under `parts` in any document of the file."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(
            f"this is not valid YAML: {getattr(error, 'problem', None) or error}",
            where=f"{where}{line}",
            next_step="Correct the file in the GitOps repository.",
        ) from error
    found: list[yaml.ScalarNode] = []
    furthest: tuple[str | int, ...] = ()
    for document in documents:
        node, reached = _descend(document, parts, key, where)
        furthest = max(furthest, reached, key=len)
        if node is not None:
            found.append(node)
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"the key {key} is there {len(found)} times, in several documents",
            where=where,
            next_step="Split the file, or choose a key that occurs once.",
        )
    inside = _join(furthest) or "the top of the file"
    raise ConfigError(
        f"there is no key {key} (found up to {inside})",
        where=where,
        next_step="Correct gitops.file and gitops.key in headgate.yaml, or add the key to the file.",
    )


def _descend(
    node: yaml.Node | None, parts: tuple[str | int, ...], key: str, where: str
) -> tuple[yaml.ScalarNode | None, tuple[str | int, ...]]:
    for depth, part in enumerate(parts):
        parent: yaml.Node
        after: yaml.Node | None = None
        if isinstance(part, int) and isinstance(node, yaml.SequenceNode):
            after = node.value[part] if part < len(node.value) else None
            parent = node
        elif isinstance(part, str) and isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode) and pair[0].value == part]
            if len(pairs) > 1:
                raise ConfigError(
                    f"the key {_join(parts[: depth + 1])} is written twice",
                    where=f"{where}:{pairs[1][0].start_mark.line + 1}",
                    next_step="Remove one.",
                )
            after = pairs[0][1] if pairs else None
            parent = pairs[0][0] if pairs else node
        if after is None:
            return None, parts[:depth]
        if after.start_mark.index < parent.start_mark.index:
            raise ConfigError(
                f"{_join(parts[: depth + 1])} is an alias of a value elsewhere: changing it would change both",
                where=f"{where}:{parent.start_mark.line + 1}",
                next_step="Write the value out.",
            )
        node = after
    if not isinstance(node, yaml.ScalarNode) or node.style in {"|", ">"}:
        raise ConfigError(
            f"{key} is not a scalar on one line",
            where=f"{where}:{node.start_mark.line + 1}" if node else where,
            next_step="Let gitops.key name the version itself.",
        )
    return node, parts


def _join(parts: tuple[str | int, ...]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _is_image(parts: tuple[str | int, ...]) -> bool:
    return parts[-1] == "image"


def _split_image(reference: str) -> tuple[str, str]:
    """Repository and version of `repo:tag`, `host:5000/repo:tag` or `repo@sha256:...` (version empty: none)."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return (repository.rpartition(":")[0] if ":" in repository.rpartition("/")[2] else repository), digest
    head, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag


def _version_of(value: str, parts: tuple[str | int, ...]) -> str:
    return _split_image(value)[1] if _is_image(parts) else value


def _with_version(value: str, version: str, parts: tuple[str | int, ...]) -> str:
    if not _is_image(parts):
        return version
    return f"{_split_image(value)[0]}{'@' if version.startswith('sha256:') else ':'}{version}"


def _scalar(value: str, style: str | None) -> str:
    """`value` in the quotes that were there; a plain one is quoted where YAML would read a number, date or boolean."""
    if style == "'":
        return f"'{value}'"  # versions hold no quotes
    if style == '"':
        return f'"{value}"'
    node = (
        yaml.compose(value, Loader=yaml.SafeLoader)
        if _PLAIN.fullmatch(value) and not _NUMBER_ELSEWHERE.fullmatch(value)
        else None
    )
    return value if node is not None and node.tag == "tag:yaml.org,2002:str" else f'"{value}"'
