"""Expressions of `rules: if`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.gitlab.rules import ExpressionError, evaluate_expression

VARIABLES = {"BRANCH": "main", "SOURCE": "merge_request_event", "EMPTY": "", "PATTERN": "/^ma/"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("$BRANCH", True),
        ("${BRANCH}", True),
        ("$EMPTY", False),
        ("$MISSING", False),
        ("$MISSING == null", True),
        ("$EMPTY == null", False),
        ('$EMPTY == ""', True),
        ("$BRANCH != null", True),
        ('$BRANCH == "main"', True),
        ("$BRANCH == 'main'", True),
        ('"main" == $BRANCH', True),
        ('$BRANCH != "main"', False),
        ("$BRANCH =~ /^ma/", True),
        ("$BRANCH =~ /MAIN/i", True),
        ("$BRANCH =~ /MAIN/", False),
        ("$BRANCH !~ /dev/", True),
        ("$BRANCH =~ $PATTERN", True),
        ("$MISSING =~ /x/", False),
        (r"$SOURCE =~ /merge\_request/", True),
        ('$BRANCH == "main" && $SOURCE == "push"', False),
        ('$BRANCH == "main" || $SOURCE == "push"', True),
        ('$BRANCH == "main" || $MISSING && $MISSING', True),
        ('($BRANCH == "main" || $MISSING) && $MISSING', False),
        ('$BRANCH == "a b"', False),
    ],
)
def test_expression(text: str, holds: bool) -> None:
    assert evaluate_expression(text, VARIABLES) is holds


@pytest.mark.parametrize(
    "text", ["", "$A ==", "== $A", "$A = 'b'", "($A", "$A)", "$A && ", "$A $B", "$A =~ /(/", "a == b"]
)
def test_what_is_not_an_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate_expression(text, VARIABLES)


@given(st.text(alphabet="$AB=!~&|()/'\" nul", max_size=30))
def test_any_text_is_an_answer_or_an_expression_error(text: str) -> None:
    try:
        assert evaluate_expression(text, {"A": "1"}) in (True, False)
    except ExpressionError:
        assert text is not None
