"""Counters from a Prometheus server, by instant query of the raw series.

Differences are taken here, so that counts are whole numbers: `increase()` extrapolates.
API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from deployments.analysis.ports import Arm, Reading, SeriesKey
from deployments.analysis.selector import parse_selector, render
from headgate.errors import RemoteStateError, ServerFaultError
from headgate.http import HttpClient, Response
from headgate.secrets import mask

_INSTANCE_LABELS = ("pod", "instance")


class PrometheusSource:
    """Reads `errors` and `total` (selector templates with `{{hash}}` and `{{role}}`) of an arm."""

    def __init__(self, *, errors: str, total: str, http: HttpClient) -> None:
        self._errors, self._total, self._http = errors, total, http

    def read(self, arm: Arm) -> Reading:
        """The counters now; series that do not exist give an empty reading."""
        values = {"hash": arm.hash, "role": arm.role}
        errors = self._query(str(parse_selector(render(self._errors, values))))
        total = self._query(str(parse_selector(render(self._total, values))))
        instances = frozenset(key[0] for key in (*errors, *total))
        return Reading(errors=errors, total=total, instances=instances)

    def _query(self, query: str) -> dict[SeriesKey, float]:
        response = self._http.request("GET", "/api/v1/query", params={"query": query}, check=False)
        return parse_vector(response, query)


def parse_vector(response: Response, query: str) -> dict[SeriesKey, float]:
    """The instant vector in an answer. Raises `RemoteStateError` with Prometheus's own message, `ServerFaultError`."""
    try:
        answer = _Answer.model_validate(response.json())
    except ValidationError as error:
        raise ServerFaultError(
            f"this is not an answer of Prometheus (status {response.status})",
            where=response.where,
            next_step="Check analysis.url.",
        ) from error
    if answer.status != "success" or answer.data is None:
        raise RemoteStateError(
            mask(f"Prometheus refused {query}: {answer.error or f'status {response.status}'}"),
            where=response.where,
            next_step="Try the query in Prometheus itself.",
        )
    if answer.data.resultType != "vector":
        raise RemoteStateError(f"{query} gave a {answer.data.resultType}, not a vector", where=response.where)
    return {_key(item.metric): float(item.value[1]) for item in answer.data.result}


def _key(labels: dict[str, str]) -> SeriesKey:
    instance = next((labels[name] for name in _INSTANCE_LABELS if labels.get(name)), "")
    return (instance, *(f"{name}={value}" for name, value in sorted(labels.items())))


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric: dict[str, str]
    value: tuple[float, str]


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")

    resultType: str  # noqa: N815 - Prometheus's name
    result: tuple[_Item, ...] = ()


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: str
    data: _Data | None = None
    error: str = ""
