"""The loop, with a clock that the test moves and an Airflow that answers by script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from cicd.dags.airflow.report import advise, wait_data, wait_text
from cicd.dags.airflow.values import (
    FileState,
    ImportProblem,
    ObservedDag,
    Outcome,
    WaitResult,
    Want,
    Watched,
)
from cicd.dags.airflow.wait import WaitTerms, wait_until_parsed
from headgate.errors import AuthenticationError, HeadgateError, UnreachableError
from tests.testing.stepped_clock import SteppedClock

NEW = "the new text"
Look = tuple[tuple[ObservedDag, ...], tuple[ImportProblem, ...]]


class Scripted:
    """An Airflow that answers as `script` says for the seconds since the start."""

    def __init__(
        self, clock: SteppedClock, script: Callable[[float], Look | HeadgateError], *, may_ask: bool = True
    ) -> None:
        self.ahead = timedelta(0)
        self._clock, self._script, self._may_ask = clock, script, may_ask
        self.sources: list[str] = []
        self.asked: list[str] = []
        self.looks = 0
        self.health: tuple[str | None, datetime | None] = ("healthy", None)

    def look(self) -> Look:
        self.looks += 1
        answer = self._script(self._clock.monotonic())
        if isinstance(answer, HeadgateError):
            raise answer
        return answer

    def source(self, dag: ObservedDag) -> str | None:
        self.sources.append(dag.dag_id)
        return NEW

    def request_parse(self, token: str) -> bool:
        self.asked.append(token)
        return self._may_ask

    def processor(self) -> tuple[str | None, datetime | None]:
        return self.health


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


def parsed(clock: SteppedClock, *names: str, every_s: float = 5.0, first_s: float = 0.0) -> tuple[ObservedDag, ...]:
    """DAGs of files that are parsed every so often from `first_s` on."""
    end = first_s + (max(0.0, clock.monotonic() - first_s) // every_s) * every_s
    moment = SteppedClock().now() + timedelta(seconds=end)
    return tuple(
        ObservedDag(dag_id=name, at=f"{name}.py", stale=False, parsed_at=moment, token=f"t-{name}") for name in names
    )


def problem(clock: SteppedClock, name: str, cause: str = "ValueError: no") -> ImportProblem:
    return ImportProblem(at=f"{name}.py", seen_at=clock.now(), stack_trace=f'  File "/d/{name}.py", line 3\n{cause}\n')


def watched(*names: str, want: Want = Want.SOURCE) -> tuple[Watched, ...]:
    return tuple(
        Watched(path=f"{name}.py", at=f"{name}.py", want=want, source=NEW if want is Want.SOURCE else "")
        for name in names
    )


def wait(
    clock: SteppedClock, airflow: Scripted, files: tuple[Watched, ...], *, sync_s: float = 0.0, timeout_s: float = 60.0
) -> WaitResult:
    terms = WaitTerms(timeout_s=timeout_s, poll_s=1.0, sync_s=sync_s)
    return wait_until_parsed(
        airflow, files, in_force_at=SteppedClock().now(), known=frozenset(), terms=terms, clock=clock
    )


def test_it_ends_with_the_second_parse(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: (parsed(clock, "a"), ()))
    result = wait(clock, airflow, watched("a"))
    assert (result.outcome, result.waited_s) == (Outcome.PARSED, 5.0)
    assert airflow.sources == ["a"], "a source is asked for when it decides, and once for each parse"
    assert airflow.asked == ["t-a"]


def test_parses_within_the_sync_do_not_count(clock: SteppedClock) -> None:
    result = wait(clock, Scripted(clock, lambda _: (parsed(clock, "a"), ())), watched("a"), sync_s=30)
    assert (result.outcome, result.waited_s) == (Outcome.PARSED, 35.0)


def test_a_server_whose_clock_is_ahead(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: (parsed(clock, "a"), ()))
    airflow.ahead = timedelta(seconds=20)
    assert wait(clock, airflow, watched("a")).waited_s == 25.0


def test_time_is_up(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: ((), ()))
    airflow.health = ("unhealthy", SteppedClock().now())
    result = wait(clock, airflow, watched("a", "b"))
    assert (result.outcome, result.waited_s) == (Outcome.UNDECIDED, 60.0)
    text = wait_text(wait_data(result))
    assert "undecided: after 60 s Airflow has not shown 2 of 2 file(s)" in text
    assert "a.py, b.py: Airflow does not know the file" in text
    assert "Airflow's DAG processor is unhealthy, last sign of life 2026-11-21T10:36:20.4" in text


def test_a_server_that_comes_back(clock: SteppedClock) -> None:
    down = UnreachableError("no connection", where="http://airflow")
    airflow = Scripted(clock, lambda at: down if 3 <= at < 20 else (parsed(clock, "a", first_s=22), ()))
    assert wait(clock, airflow, watched("a")).outcome is Outcome.PARSED


def test_a_server_that_stays_down(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: UnreachableError("no connection", where="http://airflow"))
    result = wait(clock, airflow, watched("a"))
    assert (result.outcome, result.waited_s) == (Outcome.UNDECIDED, 60.0)
    assert result.reason == "Airflow could not be asked: http://airflow: no connection"


def test_credentials_that_are_refused_end_it_at_once(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: AuthenticationError("status 401", next_step="Make a new token."))
    result = wait(clock, airflow, watched("a"))
    assert (result.outcome, airflow.looks) == (Outcome.UNDECIDED, 1)
    assert "Make a new token." in result.reason


def test_an_import_error_stands_though_the_server_goes_down(clock: SteppedClock) -> None:
    def script(at: float) -> Look | HeadgateError:
        return UnreachableError("gone") if at > 3 else ((), (problem(clock, "a"),))

    assert wait(clock, Scripted(clock, script), watched("a", "b")).outcome is Outcome.FAILED


def test_after_the_first_import_error_the_others_have_ten_seconds(clock: SteppedClock) -> None:
    def script(at: float) -> Look:
        late = (problem(clock, "b", "ValueError: no"),) if at >= 5 else ()
        return (), (problem(clock, "a"), *late)

    result = wait(clock, Scripted(clock, script), watched("a", "b", "c"))
    assert (result.outcome, result.waited_s) == (Outcome.FAILED, 11.0)
    assert [item.state for item in result.files] == [FileState.IMPORT_ERROR] * 2 + [FileState.PENDING]
    text = wait_text(wait_data(result))
    assert "Airflow cannot import 2 of 3 file(s)" in text
    assert "a.py:3, b.py:3: ValueError: no. Correct the file" in text


def test_all_decided_ends_it_at_once_even_with_an_error(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: ((), (problem(clock, "a"),)))
    assert wait(clock, airflow, watched("a")).waited_s == 1.0


def test_without_the_right_to_ask_for_parses_it_asks_once(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: (parsed(clock, "a", "b"), ()), may_ask=False)
    assert wait(clock, airflow, watched("a", "b")).outcome is Outcome.PARSED
    assert airflow.asked == ["t-a"]


def test_nothing_to_watch_is_undecided_and_nobody_is_asked(clock: SteppedClock) -> None:
    airflow = Scripted(clock, lambda _: ((), ()))
    result = wait(clock, airflow, ())
    assert (result.outcome, airflow.looks) == (Outcome.UNDECIDED, 0)


def test_files_without_dags_alone_never_pass(clock: SteppedClock) -> None:
    result = wait(clock, Scripted(clock, lambda _: ((), ())), watched("a", want=Want.CLEAN))
    assert (result.outcome, result.waited_s) == (Outcome.UNDECIDED, 60.0)


@pytest.mark.parametrize(
    ("cause", "number", "watched_files", "text"),
    [
        ("ModuleNotFoundError: No module named 'lib.x'", 1, 3, "Deliver lib.x in the same release"),
        ("ImportError: cannot import name 'T' from 'lib.t' (/d/lib/t.py)", 1, 3, "lib.t has no T"),
        ("SyntaxError: invalid syntax", 1, 1, "Correct the file"),
        ("ModuleNotFoundError: No module named 'pandas'", 3, 3, "Every file fails alike"),
    ],
)
def test_the_next_step_of_an_import_error(cause: str, number: int, watched_files: int, text: str) -> None:
    assert text in advise(cause, number=number, watched=watched_files)
