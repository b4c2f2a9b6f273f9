"""What a run found as Great Expectations writes it: a suite result that its readers can read. Pure.

Two things are deliberately not as there: results are in the order of the suite, and `success` is false where nothing
was shown: no expectation, or no row unless that is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from gates.quality.expectations import configured
from gates.quality.metrics import Finding
from gates.quality.session import Judged, SuiteFindings
from gates.quality.suite import Expectation
from headgate import __version__


def suite_document(
    found: SuiteFindings, *, engine: str, parameters: Mapping[str, Any], allow_empty: bool = False
) -> dict[str, Any]:
    """The suite result as a JSON object. `parameters` are those of the suite and of the run together.

    `meta` says who judged: the engine, its rows, and for each expectation that Great Expectations itself judged, why.
    """
    results = [_result(entry, parameters) for entry in found.judged]
    passed = sum(result["success"] for result in results)
    shown = bool(results) and (allow_empty or bool(found.rows))
    return {
        "success": shown and passed == len(results),
        "results": results,
        "suite_name": found.suite.name,
        "suite_parameters": plain(dict(parameters)),
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(results) - passed,
            "success_percent": passed / len(results) * 100 if results else None,
        },
        "meta": _meta(found, engine),
        "id": found.suite.id,
    }


def _meta(found: SuiteFindings, engine: str) -> dict[str, Any]:
    version = found.suite.meta.get("great_expectations_version")
    fallen_back = {entry.expectation.name: entry.reason for entry in found.judged if entry.reason}
    return {
        **({"great_expectations_version": version} if isinstance(version, str) else {}),
        "headgate_version": __version__,
        "engine": engine,
        "row_count": found.rows,
        "run_time_s": found.duration_s,
        **({"judged_by_great_expectations": fallen_back} if fallen_back else {}),
    }


def _result(entry: Judged, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return expectation_document(entry.expectation, entry.finding, parameters)


def expectation_document(expectation: Expectation, finding: Finding, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One expectation's result as a JSON object; what could not be judged has the reason in `exception_info`."""
    return {
        "success": finding.success and not finding.raised,
        "expectation_config": _configuration(expectation, parameters),
        "result": plain(finding.result),
        "meta": {},
        "exception_info": {
            "raised_exception": bool(finding.raised),
            "exception_message": finding.raised or None,
            "exception_traceback": None,
        },
    }


def _configuration(expectation: Expectation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    meta = expectation.raw.get("meta")
    kept = {key: expectation.raw[key] for key in ("notes", "description", "id") if expectation.raw.get(key) is not None}
    configuration = {
        "type": expectation.type,
        "kwargs": configured(expectation, parameters),
        "meta": meta if isinstance(meta, Mapping) else {},
        **kept,
        "severity": str(expectation.severity),
    }
    return {key: plain(value) for key, value in configuration.items()}


def plain(value: Any) -> Any:
    """`value` as JSON carries it, converted as Great Expectations does: decimals are numbers, times ISO text.

    NaN is null; infinities stay (Python writes and reads them as `Infinity`). Bytes are hexadecimal text.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return None if math.isnan(value) else value
        case Decimal():
            return None if value.is_nan() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return plain(value.item()) if getattr(value, "shape", None) == () else str(value)
