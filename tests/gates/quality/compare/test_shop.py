"""Two versions of the example's star schema: each mistake is found, called by its name, and shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gates.quality.compare.causes import example_text, name_causes
from gates.quality.compare.model import Cause, CauseKind, Comparison
from gates.verdict import Outcome
from tests.testing.shop import copy_platform, run_python
from tests.testing.tables import compared, judged, leaf, only_cause

Story = Callable[[str, str, str], Path]
FACTS = "curated/fact_sales.parquet"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_platform(tmp_path_factory.mktemp("base") / "platform")
    return built(root)


def built(root: Path) -> Path:
    done = run_python(root, "-m", "pipelines.build")
    assert done.returncode == 0, done.stderr
    return root / "data"


@pytest.fixture
def changed(base: Path, tmp_path: Path) -> Story:
    """The data that the pipeline makes with one text of one of its SQL files replaced."""

    def change(file: str, old: str, new: str) -> Path:
        root = copy_platform(tmp_path / "platform")
        shutil.copytree(base / "raw", root / "data" / "raw")
        path = root / "pipelines" / "sql" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return built(root)

    return change


def facts(base: Path, head: Path, *key: str) -> Comparison:
    return compared(base / FACTS, head / FACTS, *key)


def texts(cause: Cause, *reveal: str) -> list[str]:
    return [example_text(example, reveal) for example in cause.examples]


def test_a_join_without_its_validity_fans_out(base: Path, changed: Story) -> None:
    validity = """
    AND carts.created_at >= customers.valid_from
    AND (customers.valid_to IS NULL OR carts.created_at < customers.valid_to)"""
    found = facts(base, changed("fact_sales.sql", validity, ""), "sale_id")
    cause = only_cause(found)
    assert (cause.kind, cause.columns) == (CauseKind.WRONG_JOIN, ("customer_key",))
    assert cause.text.startswith("fan-out: 1247 keys have more rows in head than in base")
    assert "duplicated (sale_id=C000205-2): customer_key: [395] -> [395, 396]" in texts(
        cause, "sale_id", "customer_key"
    )
    verdict = judged(found)
    assert verdict.outcome is Outcome.FAIL
    assert leaf(verdict, "duplicates").message == (
        "2780 of 4417 rows share their key in head (0 of 2884 in base): 0.6294 > 0"
    )


def test_an_inner_join_loses_rows(base: Path, changed: Story) -> None:
    old = """LEFT JOIN dim_customer AS customers
    ON customers.user_id = carts.user_id
    AND carts.created_at >= customers.valid_from
    AND (customers.valid_to IS NULL OR carts.created_at < customers.valid_to)"""
    new = """JOIN dim_customer AS customers
    ON customers.user_id = carts.user_id
    AND carts.created_at >= customers.valid_from
    AND customers.is_current"""
    found = facts(base, changed("fact_sales.sql", old, new), "sale_id")
    cause = only_cause(found)
    assert (cause.kind, cause.rows) == (CauseKind.WRONG_JOIN, 298)
    assert cause.text.startswith("rows lost: 298 rows of base are not in head")
    assert len(cause.examples) == 5
    assert leaf(judged(found), "lost").message == "298 of 2884 keys lost of base: 0.1033 > 0"


def test_a_left_join_that_finds_no_partner(base: Path, changed: Story) -> None:
    found = facts(
        base,
        changed(
            "fact_sales.sql",
            "(customers.valid_to IS NULL OR carts.created_at < customers.valid_to)",
            "customers.is_current",
        ),
        "sale_id",
    )
    cause = only_cause(found)
    assert (cause.kind, cause.columns, cause.rows) == (CauseKind.WRONG_JOIN, ("customer_key",), 298)
    assert "became null" in cause.text
    assert texts(cause, "sale_id")[0] == "changed (sale_id=C000205-2): customer_key: *** -> null"


def test_a_join_that_picks_another_row(base: Path, changed: Story) -> None:
    old = """    AND carts.created_at >= customers.valid_from
    AND (customers.valid_to IS NULL OR carts.created_at < customers.valid_to)"""
    found = facts(base, changed("fact_sales.sql", old, "    AND customers.is_current"), "sale_id")
    cause = only_cause(found)
    assert (cause.kind, cause.columns) == (CauseKind.WRONG_JOIN, ("customer_key",))
    assert "picks other rows" in cause.text


def test_a_dropped_filter_on_a_column_of_the_table(base: Path, changed: Story) -> None:
    """Seen at the staging of carts: the filter that head has no more left only the purchased ones."""
    kept = changed("stg_carts.sql", "FROM std_carts", "FROM std_carts WHERE status = 'purchased'")
    found = compared(kept / "staging/stg_carts.parquet", base / "staging/stg_carts.parquet", "cart_id")
    cause = only_cause(found, "status")
    assert (cause.kind, cause.columns) == (CauseKind.DROPPED_FILTER, ("status",))
    assert cause.text.startswith("added rows share a segment: status is abandoned in all")
    assert cause.text.endswith("in no row of base")
    back = compared(base / "staging/stg_carts.parquet", kept / "staging/stg_carts.parquet", "cart_id")
    assert (only_cause(back).kind, only_cause(back).columns) == (CauseKind.ADDED_FILTER, ("status",))


def test_a_dropped_filter_on_a_column_that_the_table_has_not(base: Path, changed: Story) -> None:
    found = facts(base, changed("fact_sales.sql", "WHERE carts.status = 'purchased'", ""), "sale_id")
    cause = only_cause(found)
    assert (cause.kind, cause.rows) == (CauseKind.DROPPED_FILTER, 988)
    assert "all others are still there" in cause.text
    assert len(cause.examples) == 5
    assert leaf(judged(found), "added").message == "988 of 2884 keys added of base: 0.3426 > 0"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(1 - items.discount_ratio), 2)", "(1 - items.discount_ratio), 1)", "head is base rounded to 1 decimals"),
        ("(1 - items.discount_ratio), 2)", "(1 - items.discount_ratio), 4)", "base is head rounded to 2 decimals"),
        (
            "round(items.quantity * items.unit_price_eur * (1 - items.discount_ratio), 2)",
            "round(items.quantity * round(items.unit_price_eur * (1 - items.discount_ratio), 2), 2)",
            "rounded in another way or at another step",
        ),
        (
            "round(items.quantity * items.unit_price_eur * (1 - items.discount_ratio), 2)",
            "floor(items.quantity * items.unit_price_eur * (1 - items.discount_ratio))",
            "head is base rounded down to 0 decimals",
        ),
    ],
)
def test_changed_rounding(base: Path, changed: Story, old: str, new: str, said: str) -> None:
    found = facts(base, changed("fact_sales.sql", old, new), "sale_id")
    cause = only_cause(found)
    assert (cause.kind, cause.columns) == (CauseKind.ROUNDING, ("net_amount_eur",))
    assert said in cause.text
    assert cause.examples
    assert leaf(judged(found), "changed").outcome is Outcome.FAIL
    assert judged(found, max_changed_ratio=1.0).outcome is Outcome.PASS


def test_a_renamed_column(base: Path, changed: Story) -> None:
    found = facts(base, changed("fact_sales.sql", "AS net_amount_eur", "AS net_amount"), "sale_id")
    cause = only_cause(found)
    assert (cause.kind, cause.columns) == (CauseKind.RENAMED_COLUMN, ("net_amount_eur", "net_amount"))
    schema = leaf(judged(found), "schema")
    assert (schema.outcome, schema.message) == (Outcome.FAIL, "net_amount_eur was renamed to net_amount")
    assert judged(found, schema_changes="compatible").outcome is Outcome.FAIL
    assert judged(found, schema_changes="any").outcome is Outcome.PASS


def test_a_renamed_column_beside_lost_rows(base: Path, changed: Story) -> None:
    head = changed("fact_sales.sql", "AS net_amount_eur", "AS net_amount")
    sql = head.parent / "pipelines/sql/fact_sales.sql"
    sql.write_text(sql.read_text() + "AND items.line_number < 5\n")
    found = facts(base, built(head.parent), "sale_id")
    kinds = {cause.kind: cause.columns for cause in name_causes(found)}
    assert kinds == {
        CauseKind.RENAMED_COLUMN: ("net_amount_eur", "net_amount"),
        CauseKind.ADDED_FILTER: ("line_number",),
    }


def test_a_time_zone_shift(base: Path, changed: Story) -> None:
    old = "CAST(left(created_at, 19) AS TIMESTAMP) AS created_at"
    head = changed("std_carts.sql", old, old.replace(" AS created_at", " + INTERVAL 2 HOUR AS created_at"))
    carts = only_cause(compared(base / "staging/stg_carts.parquet", head / "staging/stg_carts.parquet", "cart_id"))
    assert (carts.kind, carts.columns, carts.rows) == (CauseKind.TIME_ZONE, ("created_at",), 1500)
    assert carts.text == "created_at: times shifted by +2 h"
    # The facts have no time, only the date: the shift shows where it crosses midnight.
    sales = only_cause(facts(base, head, "sale_id"))
    assert (sales.kind, sales.columns) == (CauseKind.TIME_ZONE, ("date_key",))
    assert sales.text == "date_key: dates move one day later in 7.9% of the rows, as a shift of about 1.9 h does"


def test_a_time_zone_with_summer_time(base: Path, changed: Story) -> None:
    old = "CAST(left(changed_at, 19) AS TIMESTAMP) AS changed_at"
    new = "(CAST(left(changed_at, 19) AS TIMESTAMP) AT TIME ZONE 'UTC') AT TIME ZONE 'Europe/Berlin' AS changed_at"
    head = changed("std_users.sql", old, new)
    found = compared(base / "curated/dim_customer.parquet", head / "curated/dim_customer.parquet", "customer_key")
    cause = only_cause(found)
    assert (cause.kind, cause.columns) == (CauseKind.TIME_ZONE, ("valid_from", "valid_to"))
    assert "by +1 h or +2 h, as between a zone with summer time and one without" in cause.text


def test_surrogate_keys_numbered_anew_are_not_a_wrong_join(base: Path, changed: Story) -> None:
    head = changed("dim_customer.sql", "FROM versions", "FROM versions WHERE country <> 'IT'")
    found = compared(
        base / "curated/dim_customer.parquet", head / "curated/dim_customer.parquet", "user_id", "valid_from"
    )
    kinds = {cause.kind: cause.columns for cause in name_causes(found)}
    assert kinds[CauseKind.RENUMBERED] == ("customer_key",)
    assert kinds[CauseKind.ADDED_FILTER][0] in {"country", "city"}


def test_the_same_pipeline_makes_the_same_tables(base: Path, tmp_path: Path) -> None:
    root = copy_platform(tmp_path / "platform")
    shutil.copytree(base / "raw", root / "data" / "raw")
    again = built(root)
    for file in sorted((base / "curated").glob("*.parquet")):
        found = compared(file, again / "curated" / file.name)
        assert found.identical, file.name
        assert judged(found).outcome is Outcome.PASS
