"""What is looked at after a release."""

from __future__ import annotations

from typing import Any

import pytest

from cicd.dags.airflow.values import Want, comparable
from cicd.dags.airflow.watch import Released, changed_between, folder_below, plan_watch

DAG = "from airflow.sdk import DAG\n{}\nwith DAG('{}'): pass\n"
TREE = {
    "a.py": DAG.format("from lib.one import X", "a"),
    "b.py": DAG.format("", "b"),
    "team/c.py": DAG.format("import lib.two", "c"),
    "lib/one.py": "from lib.two import X\n",
    "lib/two.py": "X = 1\n",
    "lib/talk.py": "# airflow dag helper\n",
    "factory.py": "import airflow\nimport dagfactory\ndagfactory.load(globals())\n",
    "notes.py": "DAG = 1\n",
}


def wants(changed: set[str], deleted: set[str] = set(), **more: Any) -> dict[str, Want]:  # noqa: B006 - not changed
    tree = more.pop("tree", TREE)
    released = Released(
        sources={path: text.encode() for path, text in tree.items()},
        changed=frozenset(changed),
        deleted=frozenset(deleted),
    )
    return {item.path: item.want for item in plan_watch(released, syntax="glob", **more)}


@pytest.mark.parametrize(
    ("changed", "deleted", "expected"),
    [
        ({"a.py"}, set(), {"a.py": Want.SOURCE}),
        ({"lib/one.py"}, set(), {"a.py": Want.REPARSE}),
        ({"lib/two.py"}, set(), {"a.py": Want.REPARSE, "team/c.py": Want.REPARSE}),
        ({"a.py", "lib/two.py"}, set(), {"a.py": Want.SOURCE, "team/c.py": Want.REPARSE}),
        (set(), {"old.py"}, {"old.py": Want.GONE}),
        (set(), {"lib/gone.py", "old.sql"}, {"lib/gone.py": Want.GONE, "a.py": Want.REPARSE, "b.py": Want.REPARSE,
            "team/c.py": Want.REPARSE, "factory.py": Want.CLEAN, "lib/talk.py": Want.CLEAN}),
        ({"factory.py", "b.py"}, set(), {"factory.py": Want.CLEAN, "b.py": Want.SOURCE}),
        # What defines no DAG is shown by nothing, so that every DAG file has to be parsed again.
        ({"lib/talk.py"}, set(), {"lib/talk.py": Want.CLEAN, "a.py": Want.REPARSE, "b.py": Want.REPARSE, "team/c.py": Want.REPARSE}),
        ({"notes.py"}, set(), {"a.py": Want.REPARSE, "b.py": Want.REPARSE, "team/c.py": Want.REPARSE}),
        ({"sql/x.sql"}, set(), {"a.py": Want.REPARSE, "b.py": Want.REPARSE, "team/c.py": Want.REPARSE,
            "factory.py": Want.CLEAN, "lib/talk.py": Want.CLEAN}),
    ],
)  # fmt: skip
def test_wants(changed: set[str], deleted: set[str], expected: dict[str, Want]) -> None:
    assert wants(changed, deleted) == expected


def test_every_file() -> None:
    found = wants(set(), every=True)
    assert {path for path, want in found.items() if want is Want.SOURCE} == {"a.py", "b.py", "team/c.py"}


def test_ignored_files_are_not_waited_for() -> None:
    tree = TREE | {".airflowignore": "team/\n", "x/.airflowignore": "d*\n", "x/d.py": DAG.format("", "d")}
    assert wants({"a.py", "team/c.py", "x/d.py"}, tree=tree) == {"a.py": Want.SOURCE}


def test_without_any_dag_there_is_nothing_to_look_at() -> None:
    assert wants({"lib.py"}, tree={"lib.py": "X = 1\n"}) == {}


def test_a_broken_file_is_expected_to_show_something() -> None:
    assert wants({"a.py"}, tree={"a.py": "# airflow dag\ndef ("}) == {"a.py": Want.SOURCE}


def test_a_zip_file_is_read_as_a_whole() -> None:
    tree = {"shop.zip/a.py": DAG.format("import h", "a"), "shop.zip/h.py": "X = 1\n"}
    assert wants({"shop.zip/h.py"}, tree=tree) == {"shop.zip/a.py": Want.REPARSE}


def test_names_and_sources_are_as_airflow_has_them() -> None:
    released = Released(sources={"a.py": b"from airflow import DAG\r\nDAG('a')\r"}, changed=frozenset({"a.py"}))
    (item,) = plan_watch(released, syntax="glob", prefix="team_a")
    assert (item.at, item.source, item.dag_ids) == ("team_a/a.py", "from airflow import DAG\nDAG('a')\n", ("a",))
    assert comparable("a\r\n\rb\n") == "a\n\nb\n"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("gs://bucket/dags", ""),
        ("gs://bucket/dags/team_a", "team_a"),
        ("gs://dags/prod", ""),
        ("s3://bucket/airflow/dags/x/y/", "x/y"),
        ("file:///srv/airflow/dags", ""),
        ("file:///srv/dags/dags/t", "t"),
        ("gs://bucket/composer", ""),
    ],
)
def test_where_a_target_lies_below_the_dag_folder(url: str, expected: str) -> None:
    assert folder_below(url) == expected


def test_what_changed_between_two_releases() -> None:
    before, after = [("a", "1"), ("b", "1"), ("c", "1")], [("a", "1"), ("b", "2"), ("d", "1")]
    assert changed_between(before, after) == (frozenset({"b", "d"}), frozenset({"c"}))
    assert changed_between([], after) == (frozenset({"a", "b", "d"}), frozenset())
