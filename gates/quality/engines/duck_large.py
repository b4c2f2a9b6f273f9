"""A large batch in DuckDB: the order in which cheap proofs, hashes and plain queries are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from gates.quality.engines import duck_arrays, duck_keys, duck_lists, duck_plan, duck_queries, duck_values
from gates.quality.engines.base import Answer, QueryFailedError
from gates.quality.engines.duck_arrays import Numbers
from gates.quality.engines.duck_batch import DuckBatch
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import Data
from gates.quality.engines.duck_facts import Facts, Tuning
from gates.quality.engines.duck_hashes import Running, queries
from gates.quality.engines.duck_keys import HashProof
from gates.quality.engines.duck_rows import Equal
from gates.quality.metrics import Duplicated, Failed, Metric, Quantiles, Query, Rows
from gates.quality.planner import Part, Source, Step, counting, plan, plan_one
from gates.quality.sql import Dialect
from gates.quality.truth import decide

DEFAULT_SORTING = 1 << 29
"""Bytes for sorting outside DuckDB where no limit is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """What is run before hashes are read, what is proved by hashes, and what is run while they are sorted."""

    first: tuple[Step, ...]
    hashed: tuple[HashProof, ...]
    then: tuple[Step, ...]


_Sent = tuple[Step, Callable[[], Answer] | None]
"""A step, and how to get its answer if it is on its way already."""


class LargeBatch(DuckBatch):
    """A batch whose rows are worth looking for cheaper ways than plain queries."""

    def __init__(
        self, connection: DuckConnection, dialect: Dialect, source: Source, data: Data, tuning: Tuning
    ) -> None:
        super().__init__(connection, dialect, source, data)
        self._tuning = tuning
        self._facts: Facts | None = None
        self._looked_at: set[str] = set()
        self._simple: dict[Metric, Metric] = {}

    def facts(self) -> Facts:
        """What is known before reading rows, asked once."""
        if self._facts is None:
            limit = self.connection.limits.memory_limit_mb
            allowed = DEFAULT_SORTING if limit is None else limit * (1 << 20) // 5
            memory = allowed if self._tuning.sorting is None else self._tuning.sorting
            footers = self.data.footers(self.schema())
            self._facts = Facts(schema=self.schema(), footers=footers, memory=memory, tuning=self._tuning)
        return self._facts

    def answer(self, metrics: Sequence[Metric]) -> None:
        said = [metric for metric in metrics if self._sayable(metric)]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-quality") as beside:
            ahead = [(step, self._sent(step, beside)) for step in self._ahead(said)]
            arrays = self._learn(said)
            self._simple |= {metric: duck_plan.simplified(metric, self.facts()) for metric in said}
            running = self._answer_large([self._simple[metric] for metric in said], arrays, ahead, beside)
        self._answer_quantiles([found for metric in said if isinstance(found := self._simple[metric], Quantiles)])
        for proof in running:
            self._finish(proof)
        self._take_over()

    def _ahead(self, metrics: Sequence[Metric]) -> tuple[Step, ...]:
        """What is about the order of rows, and of no float, about which something is learnt first."""
        exact = [metric for metric in metrics if not duck_plan.floats([metric], self.facts())]
        simple = [duck_plan.simplified(metric, self.facts()) for metric in exact]
        self._decide(simple)
        return duck_plan.in_order(self._open(simple), self.facts(), self.source, self.dialect).steps

    def _take_over(self) -> None:
        """Values of simplified metrics are those of the metrics asked for."""
        known = {metric: other for metric, other in self._simple.items() if other in self._values}
        self._values.update({metric: self._values[other] for metric, other in known.items()})

    def _counting(self, metric: Rows) -> Metric:
        """What counts the rows, in the form in which it was computed."""
        found = counting(metric)
        return self._simple.get(found, found)

    def _learn(self, metrics: Sequence[Metric]) -> dict[str, Numbers]:
        """The bounds of the float columns of `metrics`, and that they have no NaN: what no footer says.

        Columns whose quantiles are asked are read once, and given back as arrays.
        """
        arrays = {name: found for name in duck_arrays.wanted(metrics, self.facts()) if (found := self._array(name))}
        known = {name: found.bounds for name, found in arrays.items() if len(found.values)}
        names = [name for name in duck_plan.floats(metrics, self.facts()) if name not in {*self._looked_at, *known}]
        self._looked_at.update(names, known)
        known |= self._float_bounds(names)
        self._facts = replace(self.facts(), footers=self.facts().footers.with_bounds(known))
        return arrays

    def _array(self, name: str) -> Numbers | None:
        text = duck_arrays.query(name, self.source, self.dialect)
        self.queries.append(text)
        try:
            return duck_arrays.numbers(self.connection.array(text))
        except (QueryFailedError, MemoryError):
            return None

    def _float_bounds(self, names: Sequence[str]) -> dict[str, tuple[float, float]]:
        if not names:
            return {}
        try:
            row = self.send(duck_plan.float_bounds(names, self.source, self.dialect)).rows[0]
        except QueryFailedError:
            return {}
        found = zip(names, row[0::3], row[1::3], row[2::3], strict=True)
        return {name: (low, high) for name, low, high, nan in found if low is not None and not nan}

    def _answer_large(
        self, metrics: Sequence[Metric], arrays: dict[str, Numbers], ahead: Sequence[_Sent], beside: ThreadPoolExecutor
    ) -> list[Running]:
        """What one thread does alone (sorting, walking through rows in order) is done beside the large queries."""
        self._decide(metrics)
        asked = self._open(metrics)
        taken = {metric for name, held in arrays.items() for metric in asked if held.takes(name, metric)}
        found = [beside.submit(arrays.pop(name).answers, name, taken) for name in list(arrays)]
        shares = self._shares(self._left(asked, taken, [step for step, _ in ahead]))
        walks = [*ahead, *((step, self._sent(step, beside)) for step in shares.first)]
        running = [started for proof in shares.hashed if (started := self._started(proof)) is not None]
        for step in shares.then:
            self.run(step)
        for values in found:
            self._values.update(values.result())
        for step, answered in walks:
            self.run(step, answered)
        return running

    def _left(self, asked: Iterable[Metric], taken: set[Metric], ahead: Iterable[Step]) -> list[Metric]:
        """What neither arrays nor the steps sent ahead answer, and no sorting."""
        known = taken.union(*(step.metrics for step in ahead))
        return [metric for metric in asked if metric not in known and not isinstance(metric, Quantiles)]

    def _sent(self, step: Step, beside: ThreadPoolExecutor) -> Callable[[], Answer] | None:
        """A step on its way in another thread; None where it has to wait for its turn."""
        if not self.data.shared:
            return None
        text = self.text(step)
        self.queries.append(text)
        return beside.submit(self.connection.beside, text).result

    def _answer_quantiles(self, metrics: Sequence[Quantiles]) -> None:
        """Those that no array has answered."""
        left = [metric for metric in metrics if metric not in self._values]
        counts = dict.fromkeys(duck_lists.present_values(metric) for metric in left)
        self._decide(counts)
        for step in plan(self._open(counts), self.source, self.dialect):
            self.run(step)
        for group in duck_lists.groups_of(left):
            self._answer_group(group, self._values[duck_lists.present_values(group[0])])

    def _answer_group(self, group: tuple[Quantiles, ...], count: Any) -> None:
        """Quantiles of the same values: by a sorted list if that fits into memory."""
        if not isinstance(count, int) or not count:
            self._values.update(dict.fromkeys(group, count if isinstance(count, Failed) else ()))
        elif count * duck_lists.LIST_BYTES <= self.facts().memory or not self._selected(group, count):
            self.run(duck_lists.sorted_list(group, count, self.source))

    def _selected(self, group: tuple[Quantiles, ...], count: int) -> bool:
        """Quantiles in bounded memory; False where that did not succeed."""
        ranks = duck_lists.ranks_of(group, count)
        try:
            for width in (5.0, 25.0):
                values = self._near(group[0], duck_lists.sample_points(ranks, count, width), ranks)
                if values is not None:
                    found = dict(zip(ranks, values, strict=True))
                    self._values.update({metric: duck_lists.from_ranks(metric, found, count) for metric in group})
                    return True
        except (QueryFailedError, TypeError):
            pass  # values that have no form in SQL, or no order
        return False

    def _near(
        self, metric: Quantiles, points: Sequence[tuple[float | None, float | None]], ranks: Sequence[int]
    ) -> Sequence[Any] | None:
        """The values at `ranks` if they are where a sample says; else None."""
        asked = sorted({point for pair in points for point in pair if point is not None})
        query = duck_lists.sample_query(metric, asked, self.source)
        row = self.send(self.dialect.render(query)).rows[0] if asked else ([],)
        bounds: dict[float | None, Any] = {None: None} | dict(zip(asked, row[0], strict=True))
        brackets = [
            duck_lists.Bracket(rank=rank, low=bounds[low], high=bounds[high])
            for rank, (low, high) in zip(ranks, points, strict=True)
        ]
        counted = duck_lists.counts_query(metric, brackets, self.source, self.dialect)
        counts = self.send(self.dialect.render(counted)).rows[0]
        between = duck_lists.between_query(metric, brackets, counts, self.source)
        return None if between is None else self.send(self.dialect.render(between)).rows[0]

    def _decide(self, metrics: Iterable[Metric]) -> None:
        """What the footers say."""
        facts = self.facts()
        for metric in self._open(metrics):
            value = decide(metric, facts.footers, facts.schema)
            if value is not None:
                self._values[metric] = value

    def _open(self, metrics: Iterable[Metric]) -> list[Metric]:
        return [metric for metric in dict.fromkeys(metrics) if metric not in self._values]

    def _shares(self, metrics: Sequence[Metric]) -> _Shares:
        facts, source, dialect = self.facts(), self.source, self.dialect
        grouped = duck_values.by_value(metrics, facts, source, dialect, self._values)
        ordered = duck_plan.in_order(grouped.left, facts, source, dialect)
        proofs, rest = duck_keys.hash_proofs(ordered.left, facts, source)
        flow = duck_plan.flowing(rest, facts, source, dialect, self._empty(rest))
        return _Shares(
            first=ordered.steps,
            hashed=proofs,
            then=(*flow.steps, *grouped.steps, *self.plan(flow.left)),
        )

    def _empty(self, metrics: Iterable[Metric]) -> dict[Metric, Part]:
        return {
            metric: part
            for metric in metrics
            if isinstance(metric, Query) and (part := duck_queries.empty_proof(metric, self.facts())) is not None
        }

    def unsettled(self, metric: Metric) -> None:
        """A cheap proof failed: keys that are too large to be grouped go by their hashes."""
        if isinstance(metric, Duplicated) and metric not in self._tried and not self._grouped(metric):
            running = self._started(duck_keys.hash_proof(metric, self.source))
            if running is not None:
                self._finish(running)
        else:
            super().unsettled(metric)

    def _grouped(self, metric: Duplicated) -> bool:
        return not self.facts().hashed or self.facts().grouped(metric.keys)

    def _started(self, proof: HashProof) -> Running | None:
        """The hashes of a proof on their way; None if that failed, and the plain way was gone."""
        texts = queries(proof, self.facts().rows, self.facts().memory, self.dialect)
        self.queries.extend(texts)
        try:
            running = Running(proof, self.connection, texts)
        except (QueryFailedError, MemoryError):
            for metric in proof.metrics:
                self.run(plan_one(metric, self.source, self.dialect))
            return None
        self._values.update(zip(proof.counts, running.counts, strict=True))
        return running

    def _finish(self, running: Running) -> None:
        metric = running.proof.metric
        try:
            equal = running.equal()
        except MemoryError:
            self.run(plan_one(metric, self.source, self.dialect))
            return
        if not len(equal):
            self._values[metric] = 0
            return
        if len(equal) * 8 <= self.facts().rows:
            self._equal[metric] = Equal(table=self.connection.keep(equal, "h"), size=len(equal))
        self._leave_open(metric)

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        """The queries that `compute` would send first, in their order.

        What only the data say about it (bounds of floats, which no footer has) is read for that. Where memory is short,
        how quantiles are narrowed down further depends on answers, and only the beginning of it is in here.
        """
        known = (dict(self._values), self._facts, set(self._looked_at), self.queries)
        self.queries = []
        try:
            return self._explained([metric for metric in self._open(metrics) if self._sayable(metric)])
        finally:
            self._values, self._facts, self._looked_at, self.queries = known

    def _explained(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        ahead = self._ahead(metrics)
        arrays = self._learn(metrics)
        simple = [duck_plan.simplified(metric, self.facts()) for metric in metrics]
        self._decide(simple)
        asked = self._open(simple)
        taken = {metric for name, held in arrays.items() for metric in asked if held.takes(name, metric)}
        shares = self._shares(self._left(asked, taken, ahead))
        facts = self.facts()
        hashes = [text for proof in shares.hashed for text in queries(proof, facts.rows, facts.memory, self.dialect)]
        first, then = [self.text(step) for step in shares.first], [self.text(step) for step in shares.then]
        walks = [self.text(step) for step in ahead]
        left = [one for one in asked if isinstance(one, Quantiles) and one not in taken]
        sorts = self._explained_quantiles(left)
        if self.data.shared:
            return (*walks, *self.queries, *first, *hashes, *then, *sorts)
        return (*self.queries, *hashes, *then, *walks, *first, *sorts)

    def _explained_quantiles(self, metrics: Sequence[Quantiles]) -> list[str]:
        counts = dict.fromkeys(duck_lists.present_values(metric) for metric in metrics)
        self._decide(counts)
        texts = [self.text(step) for step in plan(self._open(counts), self.source, self.dialect)]
        for group in duck_lists.groups_of(metrics):
            count = self._values.get(duck_lists.present_values(group[0]))
            if isinstance(count, int) and 0 < count * duck_lists.LIST_BYTES <= self.facts().memory:
                texts.append(self.text(duck_lists.sorted_list(group, count, self.source)))
        return texts
