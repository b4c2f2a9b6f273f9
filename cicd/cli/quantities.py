"""Quantities on the command line: spans of time, sizes and shares, as people write them."""

from __future__ import annotations

import math
import re
from typing import Any

import click

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_MOST = 2**60

THREADS = click.IntRange(min=1, max=1024)
"""More than any machine has cores, and fewer than an engine may fail to start."""
SECONDS = click.FloatRange(min=0, min_open=True, max=10_000_000)
"""A span of time that every clock can wait for."""


class Number(click.FloatRange):
    """A range that NaN and the infinities are not in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; fails like a number out of range."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number to count with.", param, ctx)
        return found


class Duration(click.ParamType[float]):
    """A span of time: `300s`, `5m`, `1h`, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", str(value))
        seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
        if not 0 < seconds <= 86400:
            self.fail(f"{value!r} is not a span of time up to a day; write 300s, 5m or 1h.", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """A number of bytes: `512MB`, `2GiB`, `1073741824`. k, M, G and T are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(value), re.IGNORECASE)
        size = float(found[1]) * _UNITS[found[2].lower()] if found else -1.0
        if not 0 <= size <= _MOST:
            self.fail(f"{str(value)[:40]!r} is not a size; write 512MB or 2GB.", param, ctx)
        return int(size)


class Share(click.ParamType[float]):
    """A share of a whole, above 0 and below 1: `1%`, `0.01`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            self.fail(f"{value!r} is not a share; write 1% or 0.01, more than nothing and less than all.", param, ctx)
        return share
