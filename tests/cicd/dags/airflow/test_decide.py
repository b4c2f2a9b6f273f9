"""What the looks say: tables of situations, and properties of all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.airflow.decide import (
    LONGEST_PARSE,
    Facts,
    Memory,
    count_others,
    evaluate_files,
    evaluate_outcome,
    is_open,
    needed_sources,
    read_stack_trace,
    remember,
)
from cicd.dags.airflow.values import (
    FileResult,
    FileState,
    ImportProblem,
    Observation,
    ObservedDag,
    Outcome,
    Want,
    Watched,
)

SINCE = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEW, OLD = "new text", "old text"
TRACE = "Traceback (most recent call last):\n  File \"/opt/dags/a.py\", line 7, in <module>\n    import x\nModuleNotFoundError: No module named 'x'\n"


def at(seconds: float) -> datetime:
    return SINCE + timedelta(seconds=seconds)


def seen(
    dags: dict[str, float | None],
    *,
    errors: tuple[float, ...] = (),
    sources: dict[str, str] | None = None,
    **more: bool,
) -> Observation:
    listed = (
        ObservedDag(
            dag_id=dag_id, at="a.py", stale=more.get("stale", False), parsed_at=None if end is None else at(end),
            has_import_errors=more.get("has_import_errors", False),
        )
        for dag_id, end in dags.items()
    )  # fmt: skip
    problems = tuple(ImportProblem(at="a.py", seen_at=at(end), stack_trace=TRACE) for end in errors)
    return Observation(dags=tuple(listed), problems=problems, sources=sources or {})


def judge(looks: list[Observation], want: Want = Want.SOURCE, known: frozenset[str] | None = frozenset()) -> FileResult:
    item = Watched(path="a.py", at="a.py", want=want, source=NEW if want is Want.SOURCE else "", dag_ids=("a",))
    facts, memory = Facts(watched=(item,), since=SINCE, known_errors=known), Memory()
    for look in looks:
        memory = remember(memory, facts, look)
    (result,) = evaluate_files(memory, facts, looks[-1])
    return result


@pytest.mark.parametrize(
    ("looks", "want", "state", "cause"),
    [
        ([seen({})], Want.SOURCE, FileState.PENDING, "Airflow does not know the file"),
        ([seen({"a": -5}, sources={"a": OLD})], Want.SOURCE, FileState.PENDING, "not parsed since the release"),
        # The source of a file that was replaced while its old text was being parsed is already the new one.
        ([seen({"a": 1}, sources={"a": NEW})], Want.SOURCE, FileState.PENDING, "not parsed since the release"),
        ([seen({"a": 1}), seen({"a": 1}, sources={"a": NEW})], Want.SOURCE, FileState.PENDING, "not parsed since"),
        ([seen({"a": 1}), seen({"a": 3}, sources={"a": NEW})], Want.SOURCE, FileState.PARSED, ""),
        ([seen({"a": 1}), seen({"a": 3}, sources={"a": OLD})], Want.SOURCE, FileState.PENDING, "another source"),
        ([seen({"a": 1}), seen({"a": 3})], Want.SOURCE, FileState.PENDING, "another source"),
        ([seen({"a": 121}, sources={"a": NEW})], Want.SOURCE, FileState.PARSED, ""),
        ([seen({"a": 1}), seen({"a": 3})], Want.REPARSE, FileState.PARSED, ""),
        ([seen({"a": 1}), seen({"a": 3}, stale=True)], Want.REPARSE, FileState.PENDING, "stale"),
        ([seen({"a": 1}), seen({"a": 3}, stale=True, has_import_errors=True)], Want.REPARSE, FileState.PENDING, "may not read"),
        # Surprise 26: a DAG that is read before its helper has an error, which the next parse mends.
        ([seen({}, errors=(1,))], Want.SOURCE, FileState.PENDING, "an import error, perhaps of before"),
        ([seen({}, errors=(1,)), seen({"a": 3}, sources={"a": NEW})], Want.SOURCE, FileState.PARSED, ""),
        ([seen({}, errors=(1,)), seen({}, errors=(3,))], Want.SOURCE, FileState.IMPORT_ERROR, "No module named 'x'"),
        ([seen({}, errors=(-9,)), seen({}, errors=(-9,))], Want.SOURCE, FileState.PENDING, "perhaps of before"),
        # Surprise 22: the DAG is stale and keeps its old source.
        ([seen({"a": -9}, errors=(1,), stale=True), seen({"a": -9}, errors=(3,), stale=True)], Want.SOURCE, FileState.IMPORT_ERROR, "No module"),
        ([seen({"a": 2}), seen({"a": 2}, errors=(4,), stale=True)], Want.SOURCE, FileState.IMPORT_ERROR, "No module"),
        ([seen({"a": None, "b": None})], Want.REPARSE, FileState.PENDING, "not parsed since"),
        ([seen({})], Want.GONE, FileState.GONE, ""),
        ([seen({"a": -9}, stale=True)], Want.GONE, FileState.GONE, ""),
        ([seen({"a": -9})], Want.GONE, FileState.PENDING, "Airflow still has a"),
        ([seen({}, errors=(3,))], Want.GONE, FileState.PENDING, "still has its import error"),
        ([seen({})], Want.CLEAN, FileState.NO_DAG, ""),
        ([seen({"a": 1}), seen({"a": 3})], Want.CLEAN, FileState.PARSED, ""),
        ([seen({}, errors=(1,)), seen({}, errors=(3,))], Want.CLEAN, FileState.IMPORT_ERROR, "No module"),
    ],
)  # fmt: skip
def test_states_of_a_file(looks: list[Observation], want: Want, state: FileState, cause: str) -> None:
    result = judge(looks, want)
    assert result.state is state, result
    assert cause in result.cause


def test_a_renamed_id_does_not_hold_the_file_up_and_is_named() -> None:
    """Surprise 23: the old id stays, not stale, with its old source."""
    looks = [seen({"a": -9, "b": 1}), seen({"a": -9, "b": 3}, sources={"a": OLD, "b": NEW})]
    result = judge(looks)
    assert (result.state, result.dag_ids, result.lost) == (FileState.PARSED, ("b",), ("a",))
    # Where the file was replaced while its old text was being parsed the old id has the new source.
    looks = [seen({"a": 1}), seen({"a": 1, "b": 3}, sources={"a": NEW, "b": NEW})]
    result = judge(looks)
    assert (result.state, result.dag_ids, result.lost) == (FileState.PARSED, ("b",), ("a",))
    long_ago = [seen({"a": 5, "b": 300.2, "c": 300.9}, sources={"a": NEW, "b": NEW, "c": NEW})]
    assert (judge(long_ago).dag_ids, judge(long_ago).lost) == (("b", "c"), ("a",))


def test_an_id_in_another_file_is_named() -> None:
    """Surprise 24: the last file parsed has the id, and nothing else says so."""
    other = ObservedDag(dag_id="a", at="b.py", stale=False, parsed_at=at(3))
    assert judge([Observation(dags=(other,), problems=())]).cause == "Airflow has its DAG in another file: a is in b.py"


def test_an_error_of_before_is_not_blamed_on_a_release_that_did_not_change_the_file() -> None:
    looks = [seen({}, errors=(1,)), seen({}, errors=(3,))]
    assert judge(looks, Want.REPARSE, frozenset({"a.py"})).state is FileState.KNOWN_ERROR
    assert judge(looks, Want.REPARSE, frozenset()).state is FileState.IMPORT_ERROR
    assert judge(looks, Want.REPARSE, None).state is FileState.IMPORT_ERROR
    assert judge(looks, Want.SOURCE, frozenset({"a.py"})).state is FileState.IMPORT_ERROR


def result(state: FileState) -> FileResult:
    return FileResult(path="a.py", state=state, want=Want.SOURCE)


states = st.lists(st.sampled_from(list(FileState)), max_size=6).map(lambda found: [result(state) for state in found])


@given(states)
def test_absence_never_passes(files: list[FileResult]) -> None:
    outcome, found = evaluate_outcome(files), {item.state for item in files}
    assert (outcome is Outcome.FAILED) == (FileState.IMPORT_ERROR in found)
    if outcome is Outcome.PARSED:
        assert FileState.PENDING not in found
        assert found & {FileState.PARSED, FileState.GONE}
    else:
        assert is_open(files) or outcome is Outcome.FAILED
    assert evaluate_outcome(files[::-1]) is outcome


times = st.one_of(st.none(), st.integers(-300, 300))
looks = st.lists(
    st.tuples(times, times, st.sampled_from([NEW, OLD, None]), st.booleans()).map(
        lambda drawn: seen(
            {} if drawn[0] is None else {"a": drawn[0]},
            errors=() if drawn[1] is None else (drawn[1],),
            sources={} if drawn[2] is None else {"a": drawn[2]},
            stale=drawn[3],
        )
    ),
    min_size=1,
    max_size=5,
)


@given(looks, st.sampled_from([Want.SOURCE, Want.REPARSE]))
def test_what_is_decided_rests_on_a_parse_that_began_after_the_release(found: list[Observation], want: Want) -> None:
    decided = judge(found, want)
    ends = {
        end
        for look in found
        for end in [*(dag.parsed_at for dag in look.dags), *(item.seen_at for item in look.problems)]
        if end is not None and end >= SINCE
    }
    if decided.state is not FileState.PENDING:
        assert len(ends) >= 2 or max(ends) >= SINCE + LONGEST_PARSE
    if decided.state is FileState.PARSED:
        assert not found[-1].problems
        assert want is Want.REPARSE or found[-1].sources.get("a") == NEW
    assert judge([*found, found[-1]], want) == decided, "looking again at the same changes nothing"


def test_only_sources_that_can_decide_are_asked_for() -> None:
    item = Watched(path="a.py", at="a.py", want=Want.SOURCE, source=NEW)
    facts = Facts(watched=(item, Watched(path="b.py", at="b.py", want=Want.REPARSE)), since=SINCE)
    dags = [
        ObservedDag(dag_id="fresh", at="a.py", stale=False, parsed_at=at(1)),
        ObservedDag(dag_id="early", at="a.py", stale=False, parsed_at=at(-1)),
        ObservedDag(dag_id="stale", at="a.py", stale=True, parsed_at=at(1)),
        ObservedDag(dag_id="never", at="a.py", stale=False, parsed_at=None),
        ObservedDag(dag_id="reparse", at="b.py", stale=False, parsed_at=at(1)),
        ObservedDag(dag_id="foreign", at="c.py", stale=False, parsed_at=at(1)),
    ]
    assert needed_sources(Memory(), facts, dags) == ()
    assert [dag.dag_id for dag in needed_sources(Memory(first={"a.py": at(0.5)}), facts, dags)] == ["fresh"]


def test_errors_elsewhere_are_counted_unless_they_were_there_before() -> None:
    problems = tuple(ImportProblem(at=name, seen_at=at(1), stack_trace="") for name in ("a.py", "b.py", "c.py"))
    facts = Facts(
        watched=(Watched(path="a.py", at="a.py", want=Want.SOURCE),), since=SINCE, known_errors=frozenset({"b.py"})
    )
    assert count_others(facts, Observation(dags=(), problems=problems)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRACE, (7, "ModuleNotFoundError: No module named 'x'")),
        ('  File "/d/lib/h.py", line 3, in f\nValueError: no\n', (None, "ValueError: no")),
        ('  File "/d/a.py", line 1\n    def (\n        ^\nSyntaxError: invalid syntax\n', (1, "SyntaxError: invalid syntax")),
        ('  File "/d/a.py", line 2, in <module>\n  File "/d/a.py", line 9, in f\nKeyError: 1', (9, "KeyError: 1")),
        ('  File "a.py", line 4, in <module>\nE', (4, "E")),
        ('  File "/d/a.pyc", line 4, in <module>\nE', (None, "E")),
        ("", (None, "no stack trace")),
        ("REDACTED - you do not have read permission", (None, "REDACTED - you do not have read permission")),
    ],
)  # fmt: skip
def test_the_line_and_the_cause_of_a_stack_trace(text: str, expected: tuple[int | None, str]) -> None:
    assert read_stack_trace(text, "a.py") == expected


def test_a_dag_that_was_never_parsed_shows_nothing_beside_a_stale_one_that_was() -> None:
    item = Watched(path="a.py", at="a.py", want=Want.REPARSE)
    facts = Facts(watched=(item,), since=SINCE)
    dags = (
        ObservedDag(dag_id="old", at="a.py", stale=True, parsed_at=at(300)),
        ObservedDag(dag_id="new", at="a.py", stale=False, parsed_at=None),
    )
    look = Observation(dags=dags, problems=())
    (found,) = evaluate_files(remember(Memory(), facts, look), facts, look)
    assert found.state is FileState.PENDING
