"""Names that a bucket and the file system behind it can both carry, and the globs that choose among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from headgate.errors import UnsafeActionError

RESERVED = ".headgate"
MAX_NAME_BYTES = 1024
MAX_COMPONENT_BYTES = 255  # Composer and file:// put objects on a file system; ext4 and overlayfs stop there
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BROKEN = re.compile("[\ufffd\ud800-\udfff]")


def name_problem(path: str, *, prefix: str = "") -> str | None:
    """Why `path` below `prefix` cannot be delivered, or None. Characters such as `%`, `#`, `?` and emoji are fine."""
    components = path.split("/")
    if path.startswith("/"):
        return "the path is absolute"
    if "" in components:
        return "the path has an empty component"
    if "." in components or ".." in components:
        return "the path has a '.' or '..' component"
    if RESERVED in components:
        return f"{RESERVED!r} is reserved for Headgate's bookkeeping"
    if _CONTROL.search(path):
        return "the path contains a control character or a newline"
    if _BROKEN.search(path):
        return "the path is not valid UTF-8"
    if "\\" in path:
        return "the path contains a backslash, which some clients read as a separator"
    if len(f"{prefix}{path}".encode()) > MAX_NAME_BYTES:
        return f"the object name is longer than {MAX_NAME_BYTES} bytes"
    if any(len(part.encode()) > MAX_COMPONENT_BYTES for part in components):
        return f"a component of the path is longer than {MAX_COMPONENT_BYTES} bytes"
    return None


def check_name(path: str, *, where: str, prefix: str = "") -> str:
    """`path` when it can be delivered. Raises `UnsafeActionError` that names it otherwise."""
    problem = name_problem(path, prefix=prefix)
    if problem:
        raise UnsafeActionError(
            f"the file name {path[:200]!r} is refused: {problem}",
            where=where,
            next_step="Rename the file, or leave it out with dags.exclude.",
        )
    return path


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob over whole `/`-separated paths: `**` crosses folders, `*` and `?` stay in one, `[...]` is a class."""
    out, i = "", 0
    while i < len(glob):
        if glob.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif glob.startswith("**", i):
            out, i = out + ".*", i + 2
        elif glob[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif glob[i] == "?":
            out, i = out + "[^/]", i + 1
        elif glob[i] == "[" and "]" in glob[i + 2 :]:
            end = glob.index("]", i + 2)
            body = glob[i + 1 : end].replace("\\", "\\\\")
            out, i = out + "[" + ("^" + body[1:] if body[0] == "!" else body) + "]", end + 1
        else:
            out, i = out + re.escape(glob[i]), i + 1
    return re.compile(out, re.DOTALL)


def selector(include: Iterable[str], exclude: Iterable[str]) -> Callable[[str], bool]:
    """A predicate: some include glob matches and no exclude glob does."""
    wanted, unwanted = [glob_pattern(g) for g in include], [glob_pattern(g) for g in exclude]

    def chosen(path: str) -> bool:
        return any(p.fullmatch(path) for p in wanted) and not any(p.fullmatch(path) for p in unwanted)

    return chosen
