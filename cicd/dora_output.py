"""A DORA report on stdout. One of a large log is written service by service, in the memory of one service."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import Any

from headgate.secrets import mask
from observability.dora import DoraReport, Period, ServiceReport
from observability.dora_report import service_data, to_data
from observability.series import series

_IN_MEMORY = 16 * 2**20
_PLACE = '"services": []'


def numbers_only(found: ServiceReport) -> ServiceReport:
    """A service without what is behind its numbers: all that a table, CSV or Markdown shows of it."""
    return replace(
        found,
        change_lead_time=replace(found.change_lead_time, items=()),
        deployment_frequency=replace(found.deployment_frequency, items=()),
        change_fail_rate=replace(found.change_fail_rate, items=()),
        failed_deployment_recovery_time=replace(found.failed_deployment_recovery_time, items=()),
        deployment_rework_rate=replace(found.deployment_rework_rate, items=()),
        deployments=(),
        changes=(),
        incidents=(),
    )


class JsonServices:
    """The services of a report as JSON text, put aside one by one; `write` prints the report around them.

    What is printed is what `json.dumps(..., indent=2)` makes of the whole.
    """

    def __init__(self, period: Period, every: str | None, week_start: str) -> None:
        self._period = period
        self._every = every
        self._week_start = week_start
        self._text = SpooledTemporaryFile(_IN_MEMORY, mode="w+", encoding="utf-8")  # noqa: SIM115 - closed by `write`
        self._count = 0

    def take(self, found: ServiceReport) -> ServiceReport:
        """Put one aside; what is kept of it in memory are its numbers."""
        parts: Sequence[Any] | None = None
        if self._every:
            parts = series(found, self._period, self._every, self._week_start)
        text = json.dumps(service_data(found, parts), indent=2, ensure_ascii=False)
        self._text.write(",\n    " if self._count else "[\n    ")
        self._text.write(mask(text).replace("\n", "\n    "))
        self._count += 1
        return numbers_only(found)

    def write(self, report: DoraReport) -> None:
        """Print the report on stdout, with the services that were put aside."""
        frame = mask(json.dumps(to_data(replace(report, services=())), indent=2, ensure_ascii=False))
        before, _, after = frame.partition(_PLACE)
        sys.stdout.write(before + (_PLACE.removesuffix("[]") if self._count else _PLACE))
        with self._text as text:
            text.seek(0)
            while part := text.read(2**20):
                sys.stdout.write(part)
        sys.stdout.write(("\n  ]" if self._count else "") + after + "\n")
