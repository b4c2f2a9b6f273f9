"""Read the text formats of Prometheus and OpenMetrics, as far as counters need it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from headgate.errors import ServerFaultError

_SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?[ \t]+(?P<value>\S+)'
    r"(?:[ \t]+(?P<time>[-+0-9.eE]+))?(?:[ \t]+#.*)?[ \t]*"
)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPES = {r"\n": "\n", r"\"": '"', r"\\": "\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One line: the metric's name, its labels and its value (NaN and infinities included, as they were written)."""

    name: str
    labels: dict[str, str]
    value: float


def parse_exposition(text: str, *, where: str) -> Iterator[Sample]:
    """The samples of a scrape, in order. Raises `ServerFaultError` with the line number for a line that is none."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _SAMPLE.fullmatch(line.strip())
        labels = _labels(found["labels"] or "") if found else None
        try:
            value = float(found["value"].replace("Inf", "inf")) if found else None
        except ValueError:
            value = None
        if found is None or labels is None or value is None:
            raise ServerFaultError(
                f"line {number} is not a metric: {line[:80]!r}",
                where=where,
                next_step="Check prometheus.io/port and prometheus.io/path of the pods.",
            )
        yield Sample(name=found["name"], labels=labels, value=value)


def _labels(text: str) -> dict[str, str] | None:
    labels: dict[str, str] = {}
    at = 0
    while text[at:].strip(" ,"):
        found = _LABEL.match(text, at)
        if not found:
            return None
        labels[found.group(1)] = re.sub(r'\\[n"\\]', lambda escape: _ESCAPES[escape.group(0)], found.group(2))
        at = found.end()
    return labels
