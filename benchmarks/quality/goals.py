"""What is promised at each size, held against what was measured. What was to be measured and was not is not kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.quality.measure import Found, Measured

EXPECTATIONS = 29
SMALL, LARGE = 10_000, 10_000_000
PEERS = {"gx on duckdb": 6.0, "gx on pandas": 35.0, "soda core": 2.5}
"""How many times faster than these at 1e7 rows."""
FLOOR = 3.0
PEAK_GB = 1.0
CPU_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One promise and whether it is kept; `kept` None: it was not asked for in this run."""

    text: str
    kept: bool | None

    def __str__(self) -> str:
        return f"{'kept' if self.kept else 'left out' if self.kept is None else 'BROKEN':<9}{self.text}"


def goals(rows: int, asked: Iterable[str], found: Found, failed: Mapping[str, str]) -> list[Goal]:
    """The promises at `rows` rows. `asked` are the names of all that was to be run."""
    wanted = set(asked)
    ours = found.get("headgate")
    if ours is None:
        return [
            Goal(text=f"headgate: {failed.get('headgate', 'not run')}", kept=False if "headgate" in wanted else None)
        ]
    right = ours.runs[-1].checks == EXPECTATIONS == ours.runs[-1].passed
    kept = [Goal(text=f"{ours.said} expectations pass", kept=right)]
    if rows == SMALL:
        kept.append(Goal(text=f"CPU of the whole command {ours.cpu_s:.2f} s < {CPU_S} s", kept=ours.cpu_s < CPU_S))
    if rows >= LARGE:
        kept.append(Goal(text=f"peak memory {ours.peak_gb:.2f} GB < {PEAK_GB:g} GB", kept=ours.peak_gb < PEAK_GB))
        kept.append(_floor(ours, wanted, found, failed))
    if rows == LARGE:
        kept.append(_limited(wanted, found, failed))
        kept += [_faster(name, factor, ours, wanted, found, failed) for name, factor in PEERS.items()]
    return kept


def _missing(what: str, name: str, wanted: set[str], failed: Mapping[str, str]) -> Goal:
    if name in wanted:
        return Goal(text=f"{what}: {failed.get(name, 'not measured')}", kept=False)
    return Goal(text=f"{what}: not run", kept=None)


def _floor(ours: Measured, wanted: set[str], found: Found, failed: Mapping[str, str]) -> Goal:
    if "floor" not in found:
        return _missing("times the floor", "floor", wanted, failed)
    ratio = ours.wall_s / found["floor"].wall_s
    return Goal(text=f"{ratio:.2f} times the floor, at most {FLOOR:g}", kept=ratio <= FLOOR)


def _limited(wanted: set[str], found: Found, failed: Mapping[str, str]) -> Goal:
    name, text = "headgate, 512 MB", "finishes with a memory limit of 512 MB"
    if name not in found:
        return _missing(text, name, wanted, failed)
    limited = found[name]
    right = limited.runs[-1].passed == EXPECTATIONS
    return Goal(text=f"{text}: {limited.wall_s:.1f} s, peak {limited.peak_gb:.2f} GB, {limited.said}", kept=right)


def _faster(
    name: str, factor: float, ours: Measured, wanted: set[str], found: Found, failed: Mapping[str, str]
) -> Goal:
    if name not in found:
        return _missing(f"{factor:g} times faster than {name}", name, wanted, failed)
    ratio = found[name].wall_s / ours.wall_s
    return Goal(text=f"{ratio:.1f} times faster than {name}, at least {factor:g}", kept=ratio >= factor)
