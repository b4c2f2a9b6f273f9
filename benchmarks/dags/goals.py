"""What the figures have to be."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

STEPS = ("cold", "no-op", "delta")
COLD_TO_BARE = 1.3
COLD_OF_RCLONE = 2.0
GCLOUD = 10.0
PEAK_MB = 150.0
_NOISE = 1.05  # of two medians that are meant to be equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of one tool: seconds, requests, peak resident memory in MB."""

    seconds: float
    requests: int
    peak_mb: float


Cell = Mapping[str, Mapping[str, Sequence[Sample]]]
"""Samples by step and tool, of one number of files and one latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal: what was asked, what was found, and whether that is enough."""

    text: str
    met: bool


def seconds(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.seconds for sample in samples)


def judge(cell: Cell, files: int) -> Iterator[Goal]:
    """The goals of one cell; those against tools that were not measured are left out."""
    for step in STEPS:
        ours = cell[step]["headgate"]
        times = {tool: seconds(samples) / seconds(ours) for tool, samples in cell[step].items() if samples}
        if step == "cold":
            yield _most("cold / bare", 1 / times["bare"], COLD_TO_BARE)
            if "rclone" in times:
                yield _least("rclone / cold", times["rclone"], COLD_OF_RCLONE)
        elif "rclone" in times:
            yield _most(f"{step} / rclone", 1 / times["rclone"], _NOISE)
        if "gcloud" in times:
            yield _least(f"gcloud / {step}", times["gcloud"], GCLOUD)
        yield _most(f"{step}: peak MB", max(sample.peak_mb for sample in ours), PEAK_MB)
    pages = max(1, -(-files // 1000))
    yield _most("no-op: requests", statistics.median(s.requests for s in cell["no-op"]["headgate"]), 3 + pages)


def _most(what: str, found: float, most: float) -> Goal:
    return Goal(text=f"{what} {found:.4g} <= {most:g}", met=found <= most)


def _least(what: str, found: float, least: float) -> Goal:
    return Goal(text=f"{what} {found:.4g} >= {least:g}", met=found >= least)
