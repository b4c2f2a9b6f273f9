"""Write the reference parts of `docs/` from the code: configuration keys, commands, exit codes.

Run: `.venv/bin/python tools/docs.py` (or `--check`, which changes nothing and exits 1 when a page is out of date).
Only what stands between `<!-- generated: NAME -->` and `<!-- end -->` is replaced; the rest is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from cicd.cli.main import COMMANDS, cli
from cicd.config.model import Config
from headgate.exit_codes import MEANING

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?P<open><!-- generated: (?P<name>[a-z-]+) -->\n)(?P<body>.*?)(?P<close><!-- end -->)", re.DOTALL)


def exit_codes() -> str:
    rows = [f"| {code.value} | {text} |" for code, text in MEANING.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def configuration() -> str:
    """One table row a key, in the order of the model; `*` stands for a name of the user's choice."""
    rows = [f"| `{path}` | {kind} | {default} | {text} |" for path, kind, default, text in _keys(Config, "")]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        nested, suffix = _nested(field.annotation)
        text = " ".join((field.description or "").split())
        if nested is None:
            default = "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
            yield path, _type_name(field.annotation), default, text
        else:
            yield path, "section", "required" if field.is_required() else "", text or _first_line(nested.__doc__)
            yield from _keys(nested, f"{path}{suffix}.")


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The section inside an annotation, and how its items are addressed (`[]` in lists, `.*` in mappings)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin = getattr(annotation, "__origin__", None)
    for part in getattr(annotation, "__args__", ()):
        found, _ = _nested(part)
        if found is not None:
            return found, "[]" if origin is tuple else ".*" if origin is dict else ""
    return None, ""


def _type_name(annotation: Any) -> str:
    text = str(getattr(annotation, "__name__", annotation)) if isinstance(annotation, type) else str(annotation)
    text = re.sub(r"typing\.Annotated\[([\w. |]+), .*?\)\](?=,|\]|$)", r"\1", text)
    text = re.sub(r"typing\.Literal\[(.*?)\]", lambda m: m[1].replace("'", "").replace(", ", " or "), text)
    text = text.replace("typing.", "").replace("tuple[", "list of ").replace(", ...]", "").replace(" | None", "")
    return {"str": "text", "float": "number", "int": "whole number", "bool": "yes or no"}.get(
        text, text.replace("str", "text")
    ).replace("|", "or")


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value)


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0] if text else ""


def commands() -> str:
    """Every command with its usage line, its help and its options."""
    parts: list[str] = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        parts += _command(command, f"headgate {name}")
    return "\n".join(parts)


def _command(command: click.Command, path: str) -> list[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"### `{path}`", "", " ".join((command.help or "").split()), "", f"`{path} {usage}`", ""]
    options = [record for p in command.params if isinstance(p, click.Option) and (record := p.get_help_record(context))]
    if options and not isinstance(command, click.Group):
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in options]
        lines.append("")
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                lines += _command(found, f"{path} {child}")
    return lines


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


BLOCKS: dict[str, Callable[[], str]] = {"exit-codes": exit_codes, "configuration": configuration, "commands": commands}


def rewrite(text: str) -> str:
    """`text` with every generated block renewed. Raises KeyError for a block that nobody generates."""
    return BLOCK.sub(lambda match: f"{match['open']}{BLOCKS[match['name']]()}\n{match['close']}", text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def main(check: bool) -> int:
    stale = [page for page in pages() if rewrite(page.read_text(encoding="utf-8")) != page.read_text(encoding="utf-8")]
    for page in stale:
        if check:
            print(f"{page.relative_to(ROOT)} is out of date; run tools/docs.py")
        else:
            page.write_text(rewrite(page.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
