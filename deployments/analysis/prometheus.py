"""Counters from a Prometheus server, by instant query of the raw series.

Differences are taken here, so that counts are whole numbers: `increase()` extrapolates.
API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from deployments.analysis.ports import Arm, Reading, Sample, SeriesKey
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
        return self._read(arm, {})

    def read_at(self, arm: Arm, at: datetime) -> Reading:
        """The counters as they were; see `ports.PastSource`."""
        return self._read(arm, {"time": f"{at.timestamp():.3f}"})

    def _read(self, arm: Arm, when: dict[str, str]) -> Reading:
        values = arm.placeholders
        bad, every = (str(parse_selector(render(selector, values))) for selector in (self._errors, self._total))
        errors = self._query(bad, when)
        total = errors if every == bad else self._query(every, when)
        instances = frozenset(key[0] for key in (*errors, *total))
        return Reading(errors=errors, total=total, instances=instances)

    def _query(self, query: str, when: dict[str, str]) -> dict[SeriesKey, float]:
        response = self._http.request("GET", "/api/v1/query", params={"query": query} | when, check=False)
        return parse_vector(response, query)


class PrometheusValue:
    """Any instant query of an arm, for conditions: a vector gives the list of its values, a scalar a number."""

    def __init__(self, *, query: str, http: HttpClient) -> None:
        self._query, self._http = query, http

    def measure(self, arm: Arm) -> object:
        """The result now. An empty vector is an empty list."""
        query = render(self._query, arm.placeholders)
        response = self._http.request("GET", "/api/v1/query", params={"query": query}, check=False)
        data = _data(response, query)
        if data.resultType == "scalar":
            return _parsed(_Scalar, data.result, response, query).root[1]
        return list(_vector(data, response, query).values())


class PrometheusGauge:
    """A range query that gives one series an arm (an average or a quantile over its pods, for instance)."""

    def __init__(self, *, query: str, http: HttpClient) -> None:
        self._query, self._http = query, http

    def samples(self, arm: Arm, since: datetime, until: datetime, step_s: float) -> tuple[Sample, ...]:
        """See `ports.GaugeSource`. Raises `RemoteStateError` when the query gives several series."""
        query = render(self._query, arm.placeholders)
        first = since.timestamp() + step_s
        if first > until.timestamp():
            return ()
        params = {"query": query, "start": f"{first:.3f}", "end": f"{until.timestamp():.3f}", "step": f"{step_s:g}"}
        response = self._http.request("GET", "/api/v1/query_range", params=params, check=False)
        data = _data(response, query)
        if data.resultType != "matrix":
            raise RemoteStateError(f"{query} gave a {data.resultType}, not a matrix", where=response.where)
        series = _parsed(_Matrix, data.result, response, query).root
        if len(series) > 1:
            raise RemoteStateError(
                f"{query} gave {len(series)} series, not one", where=response.where, next_step="Aggregate it: avg(...)."
            )
        return tuple(Sample(t=t, value=value) for item in series for t, value in item.values)


def parse_vector(response: Response, query: str) -> dict[SeriesKey, float]:
    """The instant vector in an answer. Raises `RemoteStateError` with Prometheus's own message, `ServerFaultError`."""
    return _vector(_data(response, query), response, query)


def _data(response: Response, query: str) -> _Data:
    answer = _parsed(_Answer, response.json(), response, query)
    if answer.status != "success" or answer.data is None:
        raise RemoteStateError(
            mask(f"Prometheus refused {query}: {answer.error or f'status {response.status}'}"),
            where=response.where,
            next_step="Try the query in Prometheus itself.",
        )
    return answer.data


def _vector(data: _Data, response: Response, query: str) -> dict[SeriesKey, float]:
    if data.resultType != "vector":
        raise RemoteStateError(f"{query} gave a {data.resultType}, not a vector", where=response.where)
    return {_key(item.metric): item.value[1] for item in _parsed(_Vector, data.result, response, query).root}


def _parsed(model: type[_Model], found: object, response: Response, query: str) -> _Model:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise ServerFaultError(
            f"this is not an answer of Prometheus to {query} (status {response.status})",
            where=response.where,
            next_step="Check analysis.url.",
        ) from error


def _key(labels: dict[str, str]) -> SeriesKey:
    instance = next((labels[name] for name in _INSTANCE_LABELS if labels.get(name)), "")
    return (instance, *(f"{name}={value}" for name, value in sorted(labels.items())))


_Point = tuple[float, float]
_Model = TypeVar("_Model", bound=BaseModel)


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric: dict[str, str]
    value: _Point


class _Series(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric: dict[str, str]
    values: tuple[_Point, ...]


class _Vector(RootModel[tuple[_Item, ...]]):
    pass


class _Matrix(RootModel[tuple[_Series, ...]]):
    pass


class _Scalar(RootModel[_Point]):
    pass


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")

    resultType: str  # noqa: N815 - Prometheus's name
    result: object = ()


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: str
    data: _Data | None = None
    error: str = ""
