"""What reports show of values."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.masking import masked, shown


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (None, "null"),
        (True, "true"),
        (-12.5, "-**.*"),
        (0, "*"),
        (1e30, "*e+**"),
        ("alice@example.com", "a***@***.***"),
        ("Bo", "***"),
        ("Ann Lee", "*** ***"),
        ("Johanna Lee", "J*** ***"),
        ("2026-11-21T10:00:00", "****-**-**T**:**:**"),
        ("+41 79 123 45 67", "+** ** *** ** **"),
        ("", "blank text of length 0"),
        ("   ", "blank text of length 3"),
        ({"id": 3, "mail": "alice@example.com"}, "{id: *, mail: a***@***.***}"),
        ([1, None], "(*, null)"),
    ],
)
def test_shapes(value: Any, shape: str) -> None:
    assert masked(value) == shape


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=5, max_size=80))
def test_of_a_text_at_most_one_letter_or_digit_is_left(text: str) -> None:
    shape = masked(text)
    if not shape.startswith("blank text") and " characters)" not in shape:
        assert len(re.findall(r"[^\W_]", shape)) <= max(1, text.count("T") + text.count("Z"))


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_number_is_left(number: float) -> None:
    assert not re.search(r"\d", masked(number))


def test_only_columns_that_may_be_shown_are_shown() -> None:
    assert shown(12.5, ["amount"], ["amount", "id"]) == "12.5"
    assert shown(12.5, ["amount"], ["id"]) == "**.*"
    assert shown([1, 2], ["amount", "id"], ["amount"]) == "(*, *)"
    assert shown(12.5, [], ["amount"]) == "**.*"
    assert shown("a\nb", ["x"], ["x"]) == "a b"
    assert len(shown("x" * 500, ["x"], ["x"])) < 130
