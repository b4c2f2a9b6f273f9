"""Regular expressions on files: what Python finds, found by RE2; or left to Great Expectations, never approximated."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.quality.expectations.patterns import Untranslatable, to_re2

TEXTS = [
    "",
    "a",
    "ab",
    "AB",
    "é",
    "aé b",
    "a\n",
    "a\nb",
    "\n",
    " \x1c",
    "\x85",
    "\xa0",
    "١",
    "12",
    "x_1",
    "ß",
    "ſ",
    "İ",
    "k",
    "a.b",
    "]",
    "^-\\",
]
PATTERNS = [
    r"^\w+$",
    r"^\d+$",
    r"\s",
    r"^\S$",
    r"\D",
    r"[^\W]",
    r"[^\s\d]",
    r"[\w.-]",
    r"a$",
    r"a\Z",
    r"\Aa",
    r"^a|b$",
    r"(?m)^b",
    r"(?m)a$",
    r"a.b",
    r"(?s)a.b",
    r"(?i)AB",
    r"(?i:K)x?",
    r"(?-i:a)b",
    r"(?x) a  b # comment",
    r"(?a)^\w$",
    r"(?a)^\W$",
    r"(?a)^\S$",
    r"(?a)\D",
    r"(a)(?P<name>b)?",
    r"a{1,3}?b",
    r"(?:a|b){2,}",
    r"[\]\^\-\\]",
    r"é",
    r"\u00e9|\x41",
    r".",
    r"",
    r"a*?",
    r"(a|b|)$",
    r"(?:x_(?:1|2)$|b$)",
    r"[a-c]+[^x]$",
    r"\.",
]


def found_by_duckdb(pattern: str, texts: list[str]) -> list[bool]:
    query = "SELECT regexp_matches(t, ?) FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    return [bool(row[0]) for row in duckdb.execute(query, [pattern, texts]).fetchall()]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_translated_pattern_finds_what_python_finds(pattern: str) -> None:
    expected = [bool(re.search(pattern, text)) for text in TEXTS]

    assert found_by_duckdb(to_re2(pattern), TEXTS) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        r"a(?=b)",
        r"(?<!a)b",
        r"(a)\1",
        r"\bé",
        r"a\B",
        r"a$\n",
        r"(?:a$)+b",
        r"[^\W\S]\b",
        r"[a\W]",
        r"a{1,2000}",
        r"(a)?(?(1)b|c)",
        r"a*+b",
        r"(?>a)b",
    ],
)
def test_what_re2_cannot_say_exactly_is_not_translated(pattern: str) -> None:
    with pytest.raises(Untranslatable):
        to_re2(pattern)


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "é",
        "1",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\S",
        "[ab]",
        "[^a]",
        r"[\d_]",
        "(a|b)",
        "^",
        "$",
        "x{0,2}",
        "(?:ab)?",
        "a+",
        r"\.",
        " ",
        r"\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(PIECES, max_size=5),
    flags=st.sampled_from(["", "(?i)", "(?s)", "(?m)", "(?a)", "(?im)"]),
    texts=st.lists(st.text(alphabet="abAB1é \n_.x١", max_size=6), min_size=1, max_size=6),
)
def test_any_translated_pattern_finds_what_python_finds(pieces: list[str], flags: str, texts: list[str]) -> None:
    pattern = flags + "".join(pieces)
    try:
        translated = to_re2(pattern)
    except Untranslatable:
        return

    assert found_by_duckdb(translated, texts) == [bool(re.search(pattern, text)) for text in texts]
