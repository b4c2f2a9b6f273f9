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
from gates.quality.sql import Dialect, UntranslatableError
from gates.quality.truth import decide

DEFAULT_SORTING = 1 << 29
"""Bytes for sorting outside DuckDB where no limit is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """What is done beside all else; what is proved by hashes; and what is run while they are sorted, as one pass with that
    of other shares as far as it streams."""

    first: tuple[Step, ...]
    hashed: tuple[HashProof, ...]
    rest: tuple[Metric, ...]


_BESIDE = 2
"""Threads for what is sent beside the queries of the first one."""

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
        """What is about no float goes ahead: about floats, something is learnt first.

        What one thread does alone (sorting, walking through rows in order) begins early, and the large queries, for which
        all threads work, come last: so none is idle.
        """
        said = [metric for metric in metrics if self._sayable(metric)]
        exact, others = self._parted(said)
        with ThreadPoolExecutor(max_workers=_BESIDE, thread_name_prefix="headgate-quality") as beside:
            known = self._simplified(exact)
            ahead = self._shares(known)
            if any(isinstance(metric, Duplicated | Quantiles) for metric in said):
                beside.submit(duck_arrays.load)  # numpy; the first query is under way before it is needed
            sent = [(step, self._sent(step, beside)) for step in ahead.first]
            running = self._proved(ahead.hashed)
            arrays = self._learn(said)
            learnt = [metric for metric in self._simplified(others) if metric not in known]
            taken = duck_arrays.taken(arrays, (*known, *learnt))
            sorting = [beside.submit(held.answers, name, taken) for name, held in arrays.items()]
            arrays.clear()
            late = self._shares([metric for metric in learnt if metric not in taken])
            sent += [(step, self._sent(step, beside)) for step in late.first]
            running += self._proved(late.hashed)
            for step in self._then(ahead, late):
                self.run(step)
            for values in sorting:
                self._values.update(values.result())
            for step, answered in sent:
                self.run(step, answered)
        self._answer_quantiles([found for metric in said if isinstance(found := self._simple[metric], Quantiles)])
        for proof in running:
            self._finish(proof)
        self._take_over()

    def _parted(self, metrics: Iterable[Metric]) -> tuple[list[Metric], list[Metric]]:
        """Those about no float, and those about floats."""
        parted: tuple[list[Metric], list[Metric]] = ([], [])
        for metric in metrics:
            parted[bool(duck_plan.floats([metric], self.facts()))].append(metric)
        return parted

    def _simplified(self, metrics: Sequence[Metric]) -> list[Metric]:
        """`metrics` in the form in which they are computed, as far as nothing is known of them yet."""
        self._simple |= {metric: duck_plan.simplified(metric, self.facts()) for metric in metrics}
        simple = [self._simple[metric] for metric in metrics]
        self._decide(simple)
        return self._open(simple)

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

    def _proved(self, proofs: Iterable[HashProof]) -> list[Running]:
        """The proofs under way: their hashes are read one after the other, and sorted beside what follows."""
        return [started for proof in proofs if (started := self._started(proof)) is not None]

    def _sent(self, step: Step, beside: ThreadPoolExecutor) -> Callable[[], Answer] | None:
        """A step on its way in another thread; None where it has to wait for its turn, or cannot be said."""
        if not self.data.shared:
            return None
        try:
            text = self.text(step)
        except (QueryFailedError, UntranslatableError):
            return None
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
        """`metrics` but for quantiles, which are neither counted nor hashed."""
        facts, source, dialect = self.facts(), self.source, self.dialect
        counted = [metric for metric in metrics if not isinstance(metric, Quantiles)]
        grouped = duck_values.by_value(counted, facts, source, dialect, self._values)
        ordered = duck_plan.in_order(grouped.left, facts, source, dialect)
        proofs, rest = duck_keys.hash_proofs(ordered.left, facts, source)
        return _Shares(first=(*ordered.steps, *grouped.steps), hashed=proofs, rest=tuple(rest))

    def _then(self, *shares: _Shares) -> tuple[Step, ...]:
        """What all threads work for."""
        rest = [metric for share in shares for metric in share.rest]
        flow = duck_plan.flowing(rest, self.facts(), self.source, self.dialect, self._empty(rest))
        return (*flow.steps, *self.plan(flow.left))

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
        exact, others = self._parted(metrics)
        known = self._simplified(exact)
        ahead = self._shares(known)
        arrays = self._learn(metrics)
        learnt = [metric for metric in self._simplified(others) if metric not in known]
        taken = duck_arrays.taken(arrays, (*known, *learnt))
        late = self._shares([metric for metric in learnt if metric not in taken])
        walks = [[self.told(step) for step in share.first] for share in (ahead, late)]
        hashes = [self._hashing(share.hashed) for share in (ahead, late)]
        then = [self.told(step) for step in self._then(ahead, late)]
        left = [one for one in (*known, *learnt) if isinstance(one, Quantiles) and one not in taken]
        sorts = self._explained_quantiles(left)
        if self.data.shared:
            return (*walks[0], *hashes[0], *self.queries, *walks[1], *hashes[1], *then, *sorts)
        return (*hashes[0], *self.queries, *hashes[1], *then, *walks[0], *walks[1], *sorts)

    def _hashing(self, proofs: Iterable[HashProof]) -> list[str]:
        facts = self.facts()
        return [text for proof in proofs for text in queries(proof, facts.rows, facts.memory, self.dialect)]

    def _explained_quantiles(self, metrics: Sequence[Quantiles]) -> list[str]:
        counts = dict.fromkeys(duck_lists.present_values(metric) for metric in metrics)
        self._decide(counts)
        texts = [self.told(step) for step in plan(self._open(counts), self.source, self.dialect)]
        for group in duck_lists.groups_of(metrics):
            count = self._values.get(duck_lists.present_values(group[0]))
            if isinstance(count, int) and 0 < count * duck_lists.LIST_BYTES <= self.facts().memory:
                texts.append(self.told(duck_lists.sorted_list(group, count, self.source)))
        return texts
