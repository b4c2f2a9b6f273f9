"""Cases of expectations that judge row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.gates.quality.parity.cases import Case, between, each, on

OPEN: tuple[dict[str, Any], ...] = (
    {"strict_min": True},
    {"strict_max": True},
    {"strict_min": True, "strict_max": True},
)
EVERY_COLUMN = ("id", "n", "f", "dec", "s", "cat", "b", "d", "ts", "tz", "const", "nulls", "nullf")
FORMATS: tuple[Any, ...] = (
    "BOOLEAN_ONLY",
    "BASIC",
    "SUMMARY",
    {"result_format": "SUMMARY", "partial_unexpected_count": 0},
    {"result_format": "BASIC", "partial_unexpected_count": 2},
    {"result_format": "COMPLETE", "partial_unexpected_count": 3},
    {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
    {"result_format": "SUMMARY", "exclude_unexpected_values": True},
    {"result_format": "COMPLETE", "include_unexpected_rows": True},
)


def cases() -> Iterator[Case]:
    yield from _between()
    yield from _sets()
    yield from _nulls()
    yield from _unique()
    yield from _lengths()
    yield from _regex()
    yield from _like()
    yield from _formats()
    yield from _order()
    yield from _scores()
    yield from _types()
    yield from _pairs()
    yield from _multicolumn()
    yield from _mostly()
    yield from _conditions()
    yield from _result_formats()
    yield from _odd_names()


def _between() -> Iterator[Case]:
    kind = "column_values_to_be_between"
    for table in ("people", "one", "empty"):
        yield from each(
            table,
            kind,
            on("id", **between(1, 12)),
            on("id", **between(2, 5)),
            on("n", **between(3)),
            on("n", **between(None, 5)),
            on("n", **between(2.5, 7.5)),
            on("f", **between(0, 1)),
            on("const", **between(7, 7)),
            on("nullf", **between(0, 1)),
        )
    for strict in OPEN:
        yield from each(
            "people",
            kind,
            on("n", **between(3, 8, **strict)),
            on("f", **between(-0.0, 2.5, **strict)),
            on("f", **between(0.1, None, **strict)),
            on("f", **between(None, 0.3, **strict)),
            on("ts", **between("2024-01-31 12:00:00", "2024-03-01", **strict)),
            on("tz", **between("2024-01-31T12:00:00+00:00", "2024-03-01T00:00:00+00:00", **strict)),
        )
    yield from each(
        "people",
        kind,
        on("ts", **between("2000-01-01")),
        on("ts", **between(None, "2024-02-29")),
        on("ts", **between("2024-01-01", "2024-12-31T23:59:59")),
        on("tz", **between("2024-01-31T13:00:00+01:00")),
        on("s", **between("a", "c")),
        on("s", **between("Z")),
        on("cat", **between(None, "b")),
        on("cat", **between("a", "b", strict_max=True)),
        on("dec", **between(0, 5)),
        on("dec", **between(2.2, 3.3)),
        on("b", **between(0, 1)),
        on("b", **between(1, 1)),
        on("d", **between("2000-01-01", "2024-12-31")),
        on("s", **between(1, 5)),
        on("n", **between("1", "5")),
        on("n"),
        on("n", **between(5, 1)),
        on("n", **between(5, 5, strict_min=True)),
        on("nope", **between(1, 2)),
        on("nulls", **between(1, 2)),
    )
    yield from each(
        "floats",
        kind,
        on("x", **between(0)),
        on("x", **between(None, 0)),
        on("x", **between(-1e308, 1e308)),
        on("x", **between(0, None, strict_min=True)),
        on("nan", **between(0, 1)),
        on("tiny", **between(0.1, 0.3)),
        on("tiny", **between(0, 0.3, strict_min=True)),
        on("tiny", **between(0.30000000000000004, 1e300)),
        on("inf", **between(0, 10)),
        on("real", **between(0.1, 0.25)),
    )
    yield from each(
        "big",
        kind,
        on("i64", **between(0)),
        on("top", **between(2**63 - 3)),
        on("wide", **between(2**53 + 1)),
        on("i8", **between(-128, 126)),
        on("u64", **between(0, 2**63)),
        on("dec", **between(0, 10)),
    )


def _sets() -> Iterator[Case]:
    for kind in ("column_values_to_be_in_set", "column_values_to_not_be_in_set"):
        for table in ("people", "one", "empty"):
            yield from each(
                table,
                kind,
                on("n", value_set=[1, 3, 5]),
                on("s", value_set=["alice", "Bob", "日本", ""]),
                on("nulls", value_set=["a"]),
            )
        yield from each(
            "people",
            kind,
            on("n", value_set=[]),
            on("n", value_set=[1.0, 3.0]),
            on("n", value_set=[1, 3, None]),
            on("n", value_set=["1", "3"]),
            on("n", value_set=[1, "3"]),
            on("n", value_set=[7.5]),
            on("f", value_set=[0.1, 0.5, 2.5, 0]),
            on("f", value_set=[1000000]),
            on("s", value_set=["it's", "a_b%c", "😀", " x "]),
            on("s", value_set=["ALICE", "alice "]),
            on("s", value_set=[1, 2]),
            on("b", value_set=[True]),
            on("b", value_set=[True, False]),
            on("b", value_set=[1]),
            on("cat", value_set=["a", "b", "a"]),
            on("ts", value_set=["2024-01-31 12:00:00", "2000-01-01"]),
            on("d", value_set=["2024-02-29", "2000-01-01"]),
            on("dec", value_set=[1.1, 2.2]),
            on("dec", value_set=[100]),
            on("nope", value_set=[1]),
            on("n"),
        )
        yield from each("floats", kind, on("x", value_set=[1.0, 2.5]), on("tiny", value_set=[0.3]))
        yield from each("big", kind, on("wide", value_set=[2**53 + 1]), on("i64", value_set=[2**63 - 1]))
        yield from each("many", kind, on("mod", value_set=list(range(5))), on("word", value_set=["odd one"]))


def _nulls() -> Iterator[Case]:
    for kind in ("column_values_to_not_be_null", "column_values_to_be_null"):
        yield from each("people", kind, *(on(column) for column in EVERY_COLUMN))
        for table in ("one", "empty"):
            yield from each(table, kind, on("n"), on("s"), on("nulls"))
        yield from each("floats", kind, on("x"), on("nan"), on("finite"))
        yield from each("texts", kind, on("size"))
        yield from each("many", kind, on("gaps", mostly=0.9), on("gaps", mostly=0.1), on("gaps"))
        yield from each("people", kind, on("n", mostly=10 / 12), on("n", mostly=2 / 12), on("nope"))


def _unique() -> Iterator[Case]:
    kind = "column_values_to_be_unique"
    yield from each("people", kind, *(on(column) for column in EVERY_COLUMN))
    for table in ("one", "empty"):
        yield from each(table, kind, on("id"), on("s"), on("nulls"))
    yield from each("floats", kind, on("x"), on("nan"), on("tiny"), on("inf"), on("real"))
    yield from each("big", kind, on("i64"), on("wide"), on("top"), on("u64"), on("dec"))
    yield from each("many", kind, on("i"), on("gaps"), on("word"), on("mod", mostly=0.5))
    yield from each("people", kind, on("n", mostly=0.3), on("n", mostly=0.31), on("n", mostly=0), on("nope"))


def _lengths() -> Iterator[Case]:
    for table, column in (("texts", "size"), ("people", "s"), ("one", "s"), ("empty", "s"), ("people", "nulls")):
        yield from each(
            table,
            "column_value_lengths_to_be_between",
            on(column, **between(1, 3)),
            on(column, **between(1)),
            on(column, **between(None, 2)),
            on(column, **between(1, 3, strict_min=True, strict_max=True)),
            on(column, **between(0, 5, strict_min=True)),
        )
        yield from each(table, "column_value_lengths_to_equal", on(column, value=1), on(column, value=3, mostly=0.5))
    yield from each(
        "texts",
        "column_value_lengths_to_be_between",
        on("size"),
        on("size", **between(5, 1)),
        on("size", **between(1.5, 2.5)),
        on("nope", **between(1, 2)),
    )
    yield from each("people", "column_value_lengths_to_be_between", on("n", **between(1, 2)))
    yield from each("people", "column_value_lengths_to_equal", on("n", value=1), on("s", value=0), on("s", value=5.0))


REGEXES = (
    "@",
    "^a",
    r"^\w+@\w+\.\w+$",
    r"[A-Z]{2}-\d{3}",
    "",
    r"\d+$",
    "(?i)^AB",
    "^$",
    r"[äö]",
    r"\s",
    "a|x",
    r"^.+$",
)


def _regex() -> Iterator[Case]:
    for kind in ("column_values_to_match_regex", "column_values_to_not_match_regex"):
        yield from each("texts", kind, *(on("mail", regex=regex) for regex in REGEXES))
        yield from each("texts", kind, *(on("code", regex=regex) for regex in REGEXES[3:8]))
        yield from each(
            "texts",
            kind,
            on("code", regex=r"^(?!AB)"),
            on("code", regex=r"(\w)\1"),
            on("code", regex=r"(?P<letters>[A-Z]+)-(\d+)"),
            on("code", regex="("),
            on("digits", regex=r"^\d+$"),
            on("digits", regex=r"^[0-9]+$"),
            on("size", regex=r"^.$"),
            on("size", regex=r"^\S*$"),
            on("size", regex=r"^\w+$"),
            on("mail", regex=r"\bat\b"),
            on("mail", regex=r"c$"),
            on("mail", regex=r"c\Z"),
            on("upper", regex="[a-z]"),
            on("upper", regex="(?i)[a-z]"),
            on("mail", regex="@", mostly=0.6),
            on("nope", regex="a"),
            on("mail"),
        )
        for table in ("one", "empty"):
            yield from each(table, kind, on("s", regex="^a"), on("nulls", regex="^a"))
        yield from each("people", kind, on("s", regex="日"), on("n", regex="^1"), on("nulls", regex="a"))
    lists: list[dict[str, Any]] = [
        {"regex_list": ["^a", "@"]},
        {"regex_list": ["^a", "@"], "match_on": "any"},
        {"regex_list": ["^a", "@"], "match_on": "all"},
        {"regex_list": ["^a"], "mostly": 0.4},
        {"regex_list": []},
        {"regex_list": ["[A-Z]", "[0-9]", "^$"]},
    ]
    yield from each("texts", "column_values_to_match_regex_list", *(on("mail", **entry) for entry in lists))
    yield from each("texts", "column_values_to_match_regex_list", *(on("code", **entry) for entry in lists[:3]))
    unmatched = [{key: value for key, value in entry.items() if key != "match_on"} for entry in (lists[0], *lists[3:])]
    yield from each("texts", "column_values_to_not_match_regex_list", *(on("mail", **entry) for entry in unmatched))
    for kind in ("column_values_to_match_regex_list", "column_values_to_not_match_regex_list"):
        yield from each("empty", kind, on("s", regex_list=["a"]))
        yield from each("people", kind, on("nulls", regex_list=["a"]))


LIKES = ("a%", "%a", "_", "", "%", "a_b", "%@%", "A%", "日%", "_b%", "AB-___", "%\\%", "[abc]", "a%b")


def _like() -> Iterator[Case]:
    """Only SQL backends have them; PostgreSQL's are those of the standard (SQLite's do not look at case)."""
    for kind in ("column_values_to_match_like_pattern", "column_values_to_not_match_like_pattern"):
        yield from each("texts", kind, *(on("path", like_pattern=like) for like in LIKES), oracle="postgres")
        yield from each(
            "texts",
            kind,
            on("code", like_pattern="AB-___"),
            on("size", like_pattern="_"),
            on("size", like_pattern="__"),
            on("mail", like_pattern="%@%", mostly=0.5),
            on("path", like_pattern="a!_b", escape="!"),
            on("path", like_pattern="%!%", escape="!"),
            on("path", like_pattern="a!_b", escape="!!"),
            on("nope", like_pattern="a"),
            oracle="postgres",
        )
        yield from each("empty", kind, on("s", like_pattern="a%"), oracle="postgres")
        yield from each("people", kind, on("nulls", like_pattern="a%"), on("n", like_pattern="1"), oracle="postgres")
    kind = "column_values_to_match_like_pattern_list"
    yield from each(
        "texts",
        kind,
        on("path", like_pattern_list=["a%", "%b"]),
        on("path", like_pattern_list=["a%", "%b"], match_on="any"),
        on("path", like_pattern_list=["a%", "%b"], match_on="all"),
        on("path", like_pattern_list=["a%"], mostly=0.3),
        on("path", like_pattern_list=[]),
        on("path", like_pattern_list=["a!%b", "x%"], escape="!"),
        oracle="postgres",
    )
    yield from each(
        "texts",
        "column_values_to_not_match_like_pattern_list",
        on("path", like_pattern_list=["a%", "%b"]),
        on("path", like_pattern_list=["a%"], mostly=0.3),
        on("path", like_pattern_list=[]),
        on("path", like_pattern_list=["a!%b", "x%"], escape="!"),
        oracle="postgres",
    )


def _formats() -> Iterator[Case]:
    kind = "column_values_to_match_strftime_format"
    formats = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M:%S", "%Y", "", "%Y-%m", "%y", "%Q", "%H:%M")
    yield from each("texts", kind, *(on("day", strftime_format=form) for form in formats))
    yield from each(
        "texts",
        kind,
        on("stamp", strftime_format="%Y-%m-%d %H:%M:%S"),
        on("stamp", strftime_format="%Y-%m-%dT%H:%M:%S", mostly=0.1),
        on("stamp", strftime_format="%Y-%m-%d %H:%M"),
    )
    yield from each("empty", kind, on("s", strftime_format="%Y"))
    yield from each("people", kind, on("nulls", strftime_format="%Y"), on("n", strftime_format="%Y"))
    yield from each(
        "texts", "column_values_to_be_dateutil_parseable", on("day"), on("stamp"), on("mail"), on("day", mostly=0.5)
    )
    yield from each(
        "texts", "column_values_to_be_json_parseable", on("json"), on("object"), on("digits"), on("json", mostly=0.6)
    )
    yield from each("empty", "column_values_to_be_json_parseable", on("s"))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    yield from each(
        "texts",
        "column_values_to_match_json_schema",
        on("object", json_schema=schema),
        on("object", json_schema=schema, mostly=0.7),
        on("json", json_schema=schema),
    )


def _order() -> Iterator[Case]:
    for kind in ("column_values_to_be_increasing", "column_values_to_be_decreasing"):
        for column in ("up", "flat", "down", "broken", "holes", "f", "ts", "same"):
            yield from each("ordered", kind, on(column), on(column, strictly=True))
        yield from each("ordered", kind, on("broken", mostly=0.7), on("d"), on("s"), on("nope"))
        for table in ("one", "empty"):
            yield from each(table, kind, on("id"), on("n", strictly=True))
        yield from each("floats", kind, on("finite"), on("inf"))
        yield from each("people", kind, on("nullf"), on("const", strictly=True))


def _scores() -> Iterator[Case]:
    kind = "column_value_z_scores_to_be_less_than"
    for column in ("i", "x", "mod"):
        yield from each(
            "many",
            kind,
            on(column, threshold=1.5, double_sided=True),
            on(column, threshold=1.5, double_sided=False),
            on(column, threshold=1, double_sided=True, mostly=0.5),
            on(column, threshold=-1, double_sided=False),
            on(column, threshold=-1, double_sided=True),
        )
    for column in ("n", "f", "const", "nullf", "s", "dec"):
        yield from each("people", kind, on(column, threshold=2, double_sided=True))
    yield from each("one", kind, on("n", threshold=1, double_sided=True))
    yield from each("empty", kind, on("n", threshold=1, double_sided=True))
    yield from each("floats", kind, on("finite", threshold=1, double_sided=True))
    for method in ("iqr", "std"):
        yield from each(
            "many",
            "column_values_to_not_be_outliers",
            on("x", method=method, multiplier=0.5),
            on("x", method=method, multiplier=1.5),
            on("i", method=method, multiplier=1, mostly=0.5),
        )
        yield from each("people", "column_values_to_not_be_outliers", on("f", method=method, multiplier=1.5))


def _types() -> Iterator[Case]:
    """Types have the engine's own names; those of pandas are asked only where they mean the same here."""
    for kind in ("column_values_to_be_of_type", "column_type_to_be"):
        yield from each("people", kind, on("id", type_="int64"), on("f", type_="float64"), on("nope", type_="int"))
    yield from each(
        "people",
        "column_values_to_be_in_type_list",
        on("id", type_list=["int64", "float64"]),
        on("nope", type_list=["int"]),
    )


PAIRS = (("a", "b"), ("a", "c"), ("p", "q"))
IGNORE = ("both_values_are_missing", "either_value_is_missing", "neither")
IGNORE_MANY = ("all_values_are_missing", "any_value_is_missing", "never")


def _pair(first: str, second: str, **kwargs: Any) -> dict[str, Any]:
    return {"column_A": first, "column_B": second, **kwargs}


def _pairs() -> Iterator[Case]:
    equal, greater, member = (
        "column_pair_values_to_be_equal",
        "column_pair_values_a_to_be_greater_than_b",
        "column_pair_values_to_be_in_set",
    )
    for first, second in (*PAIRS, ("x", "y"), ("f", "g"), ("d1", "d2"), ("t1", "t2")):
        for kind in (equal, greater):
            yield from each("pairs", kind, _pair(first, second))
            yield from each("pairs", kind, *(_pair(first, second, ignore_row_if=value) for value in IGNORE))
        yield from each("pairs", greater, _pair(first, second, or_equal=True))
        yield from each("pairs", equal, _pair(first, second, mostly=0.5))
    pairs: tuple[list[list[Any]], ...] = ([[1, 1], [7, 7]], [[1, 1], [2, 1], [3, 4], [None, None]], [])
    for values in pairs:
        yield from each("pairs", member, _pair("a", "b", value_pairs_set=values))
        yield from each(
            "pairs", member, *(_pair("a", "b", value_pairs_set=values, ignore_row_if=value) for value in IGNORE)
        )
    yield from each(
        "pairs",
        member,
        _pair("x", "y", value_pairs_set=[["a", "a"], ["b", "c"], ["x", "y"]]),
        _pair("x", "y", value_pairs_set=[["a", "a"], ["b", "c"]], mostly=0.5),
        _pair("a", "nope", value_pairs_set=[[1, 1]]),
    )
    yield from each("pairs", equal, _pair("a", "nope"), _pair("a", "x"), _pair("a", "b", ignore_row_if="never"))
    yield from each("pairs", greater, _pair("a", "b", or_equal=True, ignore_row_if="neither"))
    for kind in (equal, greater):
        yield from each("empty", kind, _pair("id", "n"))
        yield from each("one", kind, _pair("id", "n"))
        yield from each("people", kind, _pair("nullf", "f"), _pair("id", "n"))


def _multicolumn() -> Iterator[Case]:
    compound = "compound_columns_to_be_unique"
    within = "select_column_values_to_be_unique_within_record"
    same, total = "multicolumn_values_to_be_equal", "multicolumn_sum_to_equal"
    for columns in (["a", "b"], ["a", "b", "c"], ["p", "q"], ["x", "y"], ["a", "x"]):
        for kind in (compound, within, same):
            yield from each("pairs", kind, {"column_list": columns})
            yield from each("pairs", kind, *({"column_list": columns, "ignore_row_if": value} for value in IGNORE_MANY))
    for columns in (["a", "b"], ["a", "b", "c"], ["p", "q"]):
        yield from each("pairs", total, {"column_list": columns, "sum_total": 2})
        yield from each(
            "pairs",
            total,
            *({"column_list": columns, "sum_total": 14, "ignore_row_if": value} for value in IGNORE_MANY),
        )
    yield from each(
        "pairs",
        total,
        {"column_list": ["f", "g"], "sum_total": 0.2},
        {"column_list": ["f", "g"], "sum_total": 0.7},
        {"column_list": ["p", "q"], "sum_total": 4, "mostly": 0.1},
        {"column_list": ["p"], "sum_total": 4},
        {"column_list": ["p", "nope"], "sum_total": 4},
    )
    for kind in (compound, within, same):
        yield from each("pairs", kind, {"column_list": ["a", "b"], "mostly": 0.5}, {"column_list": ["a", "nope"]})
        yield from each("pairs", kind, {"column_list": ["a"]})
        yield from each("empty", kind, {"column_list": ["id", "n"]})
        yield from each("one", kind, {"column_list": ["id", "n"]})
        yield from each("people", kind, {"column_list": ["n", "nullf"]}, {"column_list": ["n", "cat"]})
    yield from each("many", compound, {"column_list": ["i", "mod"]}, {"column_list": ["mod", "third"]})
    yield from each("people", "multicolumn_values_to_be_unique", {"column_list": ["id", "n"]})


def _mostly() -> Iterator[Case]:
    """10 of 200 values are 19 and 10 are 0: exactly 5 % and 10 %."""
    for mostly in (0, 0.5, 0.9, 0.9000001, 0.95, 0.9500000001, 0.949999, 1, 1.0):
        yield from each(
            "many",
            "column_values_to_be_between",
            on("mod", **between(0, 18, mostly=mostly)),
            on("mod", **between(1, 18, mostly=mostly)),
        )
        yield from each("many", "column_values_to_be_in_set", on("gaps", value_set=list(range(190)), mostly=mostly))
    yield from each(
        "many",
        "column_values_to_be_between",
        on("third", **between(0, 0, mostly=1 / 3)),
        on("third", **between(1, 2, mostly=2 / 3)),
        on("third", **between(1, 1, mostly=0.335)),
        on("mod", **between(0, 1, mostly=1.1)),
        on("mod", **between(0, 1, mostly=-0.1)),
        on("mod", **between(0, 1, mostly="half")),
    )


def _comparison(column: str, operator: str, parameter: Any) -> dict[str, Any]:
    return {"type": "comparison", "column": {"name": column}, "operator": operator, "parameter": parameter}


def _nullity(column: str, is_null: bool) -> dict[str, Any]:
    return {"type": "nullity", "column": {"name": column}, "is_null": is_null}


CONDITIONS: tuple[Any, ...] = (
    _comparison("cat", "==", "a"),
    _comparison("cat", "!=", "a"),
    _comparison("n", ">", 3),
    _comparison("n", ">=", 3),
    _comparison("n", "<", 3),
    _comparison("n", "<=", 3.5),
    _comparison("n", "!=", 3),
    _comparison("cat", "IN", ["a", "b"]),
    _comparison("cat", "NOT_IN", ["a", "b"]),
    _comparison("n", "IN", [1, 3]),
    _comparison("n", "NOT_IN", [1, 3]),
    _comparison("s", "==", "it's"),
    _comparison("s", "==", "日本"),
    _comparison("id", ">", 100),
    _comparison("b", "==", True),
    _comparison("ts", ">", "2024-01-01"),
    _nullity("n", True),
    _nullity("n", False),
    {"type": "and", "conditions": [_comparison("cat", "==", "a"), _comparison("id", ">", 3)]},
    {"type": "or", "conditions": [_comparison("cat", "==", "a"), _nullity("n", True)]},
    {
        "type": "or",
        "conditions": [
            {"type": "and", "conditions": [_comparison("cat", "==", "b"), _comparison("n", "<", 5)]},
            _comparison("id", "==", 12),
        ],
    },
    {"type": "and", "conditions": [{"type": "or", "conditions": [_nullity("n", True), _nullity("n", False)]}]},
    _comparison("nope", "==", 1),
    _comparison("cat", "==", None),
)
STRINGS: tuple[tuple[str, str], ...] = (
    ('cat == "a"', "pandas"),
    ("n > 3", "pandas"),
    ('cat == "a" and n >= 1', "pandas"),
    ("n.isnull()", "pandas"),
    ('col("cat") == "a"', "great_expectations"),
    ('col("n") > 3', "great_expectations"),
    ('col("n").notNull()', "great_expectations"),
)


def _conditions() -> Iterator[Case]:
    for condition in CONDITIONS:
        yield from each("people", "column_values_to_be_between", on("n", **between(2, 7), row_condition=condition))
        yield from each("people", "table_row_count_to_be_between", {**between(3, 8), "row_condition": condition})
    for condition in CONDITIONS[::3]:
        yield from each("people", "column_values_to_not_be_null", on("s", row_condition=condition))
        yield from each("people", "column_values_to_be_unique", on("n", row_condition=condition))
        yield from each("people", "column_sum_to_be_between", on("n", **between(0, 10), row_condition=condition))
        yield from each(
            "people", "compound_columns_to_be_unique", {"column_list": ["cat", "n"], "row_condition": condition}
        )
        yield from each(
            "people", "column_values_to_be_between", on("f", **between(0, 3, mostly=0.6), row_condition=condition)
        )
    for text, parser in STRINGS:
        yield from each(
            "people",
            "column_values_to_be_between",
            on("n", **between(2, 7), row_condition=text, condition_parser=parser),
        )
        yield from each(
            "people", "column_mean_to_be_between", on("n", **between(2, 7), row_condition=text, condition_parser=parser)
        )
    yield from each("people", "column_values_to_be_between", on("n", **between(2, 7), row_condition='cat == "a"'))


def _result_formats() -> Iterator[Case]:
    for form in FORMATS:
        yield from each("people", "column_values_to_be_between", on("n", **between(2, 7)), result_format=form)
        yield from each("people", "column_values_to_be_in_set", on("s", value_set=["alice"]), result_format=form)
        yield from each("people", "column_values_to_be_unique", on("n"), result_format=form)
        yield from each("people", "column_values_to_not_be_null", on("n"), result_format=form)
        yield from each("people", "column_pair_values_to_be_equal", _pair("id", "n"), result_format=form)
        yield from each("people", "compound_columns_to_be_unique", {"column_list": ["n", "const"]}, result_format=form)
        yield from each("people", "column_max_to_be_between", on("n", **between(2, 7)), result_format=form)
        yield from each("people", "table_row_count_to_equal", {"value": 11}, result_format=form)
    for form in FORMATS[:6]:
        yield from each("many", "column_values_to_be_between", on("mod", **between(3, 9)), result_format=form)
        yield from each("many", "column_values_to_match_regex", on("word", regex="^w[0-3]"), result_format=form)
        yield from each("empty", "column_values_to_be_between", on("n", **between(3, 9)), result_format=form)


def _odd_names() -> Iterator[Case]:
    for name in ("a b", "ä", 'quo"te', "it's", "select", "a.b", "%s", "{batch}", "x; DROP TABLE t --", "MiXed", "100%"):
        yield from each("odd", "column_values_to_be_between", on(name, **between(2, 4)))
        yield from each("odd", "column_values_to_be_unique", on(name))
        yield from each("odd", "column_sum_to_be_between", on(name, **between(0, 10)))
    yield from each("odd", "column_values_to_be_between", on("mixed", **between(2, 4)), on("", **between(2, 4)))
    yield from each("odd", "column_to_exist", on("MiXed"), on("mixed"), on("x; DROP TABLE t --"))
