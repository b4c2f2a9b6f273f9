"""Verdict trees for tests: one of everything, and any tree at all."""

from __future__ import annotations

from hypothesis import strategies as st

from gates.verdict import Location, Measurement, Outcome, Severity, Verdict, group

MIXED = group(
    "gate",
    [
        group(
            "unit",
            [
                group(
                    "tests/test_a.py",
                    [
                        Verdict(name="passed", outcome=Outcome.PASS, message="12 passed", duration_s=0.5),
                        Verdict(
                            name="test_sum",
                            outcome=Outcome.FAIL,
                            message="assert 3 == 4",
                            rule="test-failed",
                            location=Location(path="tests/test_a.py", line=7),
                            details=("assert 3 == 4",),
                        ),
                    ],
                )
            ],
        ),
        group(
            "quality",
            [
                Verdict(
                    name="expect_column_values_to_be_between(amount)",
                    outcome=Outcome.FAIL,
                    message="amount: 3 of 120 rows unexpected: 2.5 % > 0 %",
                    rule="expect_column_values_to_be_between",
                    measurement=Measurement(observed=2.5, threshold=0.0, unit="% unexpected", sample=120, source="gx"),
                    location=Location(path="gx/orders.json", line=12),
                    details=("row 17 of orders.parquet (id=4): amount = -**.**",),
                    fix="Repair the step.",
                ),
                Verdict(
                    name="expect_column_mean_to_be_between(amount)",
                    outcome=Outcome.FAIL,
                    severity=Severity.WARNING,
                    message="amount: 2.2 < 100",
                    location=Location(path="gx/orders.json", line=20),
                ),
                Verdict(name="customers", outcome=Outcome.ERROR, message="no data file", fix="Build it."),
            ],
        ),
        Verdict(name="dags", outcome=Outcome.INCONCLUSIVE, message="no DAG", location=Location(path="dags")),
        Verdict(name="policy", outcome=Outcome.SKIPPED, message="not asked for"),
    ],
)

_texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
_values = st.none() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | _texts
_measurements = st.builds(
    Measurement,
    observed=_values,
    threshold=_values,
    comparison=st.sampled_from(["<=", "<", ">=", ">", "==", "in"]),
    unit=_texts,
    window_s=st.none() | st.floats(allow_nan=False),
    sample=st.none() | st.integers(0, 10**9),
    source=_texts,
)


def _nodes(children: st.SearchStrategy[tuple[Verdict, ...]]) -> st.SearchStrategy[Verdict]:
    return st.builds(
        Verdict,
        name=_texts,
        outcome=st.sampled_from(list(Outcome)),
        message=_texts,
        severity=st.sampled_from(list(Severity)),
        measurement=st.none() | _measurements,
        location=st.none() | st.builds(Location, path=_texts, line=st.none() | st.integers(1, 10**6)),
        rule=_texts,
        fix=_texts,
        details=st.lists(_texts, max_size=2).map(tuple),
        duration_s=st.none() | st.floats(min_value=0, max_value=1e6),
        children=children,
    )


def any_verdict() -> st.SearchStrategy[Verdict]:
    """Trees of all shapes, with hostile texts in every field."""
    return st.recursive(_nodes(st.just(())), lambda inner: _nodes(st.lists(inner, max_size=3).map(tuple)), max_leaves=6)
