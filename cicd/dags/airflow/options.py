"""What the command line says about waiting. Light: every push reads it, few wait."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """What the command line says about waiting; None leaves it to the configuration."""

    wait: bool | None = None
    timeout_s: float | None = None
    url: str | None = None
    sync_s: float | None = None
    rollback_on_failure: bool = False
    rollback_on_undecided: bool = False

    @property
    def silent(self) -> bool:
        """Whether nothing is asked for, so that a target without Airflow needs no more thought."""
        return self in (WaitOptions(), WaitOptions(wait=False))
