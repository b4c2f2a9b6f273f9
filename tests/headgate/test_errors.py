"""The drawn error tree is the real one, and every error has a documented exit code."""

from __future__ import annotations

import inspect
import re

import pytest

from headgate import errors
from headgate.errors import ConfigError, HeadgateError
from headgate.exit_codes import MEANING, ExitCode

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, HeadgateError)}


def drawn() -> dict[str, int]:
    """Class names in the tree at the top of the module, with their depth."""
    lines = (errors.__doc__ or "").splitlines()
    found = (re.match(r"(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+Error)\b", line) for line in lines)
    return {match["name"]: len(match["indent"]) // 4 for match in found if match}


def test_the_drawn_tree_names_every_class_at_its_depth() -> None:
    depth = {name: cls.__mro__.index(HeadgateError) for name, cls in CLASSES.items()}
    assert drawn() == depth


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_has_an_exit_code_that_is_not_a_pass(name: str) -> None:
    assert CLASSES[name].exit_code in set(ExitCode) - {ExitCode.PASS, ExitCode.FAIL}


def test_the_exit_codes_drawn_beside_the_tree_are_the_real_ones() -> None:
    for match in re.finditer(r"(\w+Error)\b.*exit (\d+)$", errors.__doc__ or "", re.MULTILINE):
        assert CLASSES[match[1]].exit_code == int(match[2]), match[1]


def test_message_has_place_problem_and_next_step_in_one_paragraph() -> None:
    error = ConfigError("unknown key 'gatez'", where="headgate.yaml:3", next_step="Did you mean 'gates'?")
    assert str(error) == "headgate.yaml:3: unknown key 'gatez'. Did you mean 'gates'?"


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANING) == set(ExitCode)
