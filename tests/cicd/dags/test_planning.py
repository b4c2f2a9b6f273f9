"""The plan: what changes, in which order, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.model import Action, Change, Claims, Kind, Manifest, OwnedFile, Placement, StoredObject
from cicd.dags.planning import WRITES, Rules, plan
from headgate.errors import UnsafeActionError
from tests.testing.dag_stores import desired, md5

Files = dict[str, bytes]


def stored(files: Files, generation: int = 7) -> tuple[StoredObject, ...]:
    return tuple(
        StoredObject(path=path, size=len(data), md5=md5(data), generation=generation) for path, data in files.items()
    )


def manifest(files: Files, kinds: dict[str, Kind] | None = None) -> Manifest:
    return Manifest(
        release="r1-aaaaaaaa",
        number=1,
        project="dags",
        source="dags",
        commit="a" * 40,
        committed_at=None,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
        previous=None,
        previous_commit=None,
        restores=None,
        files=tuple(
            OwnedFile(
                path=path,
                size=len(data),
                md5=md5(data),
                blob="b",
                generation=7,
                kind=(kinds or {}).get(path, Kind.DATA),
                pack="p",
            )
            for path, data in files.items()
        ),
        history=(),
    )


def claims(files: Files) -> Claims:
    return Claims(release="r2-bbbbbbbb", objects=frozenset((path, md5(data)) for path, data in files.items()))


def steps(changes: tuple[Change, ...]) -> list[tuple[int, str, str]]:
    return [(change.wave, change.action.value, change.path) for change in changes]


def carried_out(files: Files, changes: tuple[Change, ...], wanted: Files) -> Files:
    """A bucket of generation 7 after the steps, each of which must meet its precondition."""
    after = dict(files)
    for change in changes:
        if change.action in WRITES or change.action is Action.DELETE:
            assert change.if_generation == (7 if change.path in after else 0)
        if change.action in WRITES:
            after[change.path] = wanted[change.path]
        elif change.action is Action.DELETE:
            del after[change.path]
        elif change.action is Action.ADOPT:
            assert after[change.path] == wanted[change.path]
        else:
            assert change.path not in after
    return after


class TestWhatChanges:
    @pytest.mark.parametrize(
        ("before", "there", "wanted", "expected"),
        [
            pytest.param({}, {}, {"a": b"1"}, [(0, "add", "a")], id="first"),
            pytest.param({"a": b"1"}, {"a": b"1"}, {"a": b"1"}, [], id="nothing to do"),
            pytest.param({"a": b"1"}, {"a": b"1"}, {"a": b"2"}, [(0, "update", "a")], id="changed"),
            pytest.param({"a": b"1", "b": b"1"}, {"a": b"1", "b": b"1"}, {"a": b"1"}, [(0, "delete", "b")], id="gone"),
            pytest.param({"a": b"1"}, {}, {"a": b"1"}, [(0, "add", "a")], id="removed by hand"),
            pytest.param({"a": b"1", "b": b"1"}, {"a": b"1"}, {"a": b"1"}, [(0, "forget", "b")], id="already gone"),
            pytest.param({}, {"a": b"1"}, {"a": b"1"}, [(0, "adopt", "a")], id="equal foreign object"),
            pytest.param({"a": b"1"}, {"a": b"2"}, {"a": b"2"}, [(0, "adopt", "a")], id="put there by hand before"),
            pytest.param({"a": b"1"}, {"a": b"1", "x": b"1"}, {"a": b"1"}, [], id="foreign object elsewhere"),
        ],
    )
    def test_table(self, before: Files, there: Files, wanted: Files, expected: list[tuple[int, str, str]]) -> None:
        assert steps(plan(desired(wanted), stored(there), manifest(before) if before else None)) == expected

    def test_an_object_without_hash_never_counts_as_equal(self) -> None:
        there = (StoredObject(path="a", size=1, md5=None, generation=7),)
        with pytest.raises(UnsafeActionError, match="'a' is changed by hand"):
            plan(desired({"a": b"1"}), there, manifest({"a": b"1"}))

    def test_claimed_objects_are_ours_though_no_manifest_owns_them(self) -> None:
        there = {"a": b"1", "new": b"half", "left": b"over"}
        found = plan(
            desired({"a": b"1", "new": b"2"}),
            stored(there),
            manifest({"a": b"1", "b": b"1"}),
            claims=claims({"new": b"half", "left": b"over"}),
        )
        assert [(change.action.value, change.path) for change in found] == [
            ("update", "new"),
            ("delete", "left"),
            ("forget", "b"),
        ]

    def test_a_claim_covers_only_the_content_that_was_claimed(self) -> None:
        there = stored({"new": b"somebody else's"})
        with pytest.raises(UnsafeActionError, match="no release owns it"):
            plan(desired({"new": b"2"}), there, None, claims=claims({"new": b"half"}))
        assert (
            plan(
                desired({"a": b"1"}),
                (*there, *stored({"a": b"1"})),
                manifest({"a": b"1"}),
                claims=claims({"new": b"half"}),
            )
            == ()
        )


class TestWhatIsRefused:
    def test_a_foreign_object_with_other_content(self) -> None:
        with pytest.raises(UnsafeActionError, match=r"'a' is in the bucket with other content.*--adopt"):
            plan(desired({"a": b"1"}), stored({"a": b"x"}), None)
        assert steps(plan(desired({"a": b"1"}), stored({"a": b"x"}), None, rules=Rules(adopt=True))) == [
            (0, "update", "a")
        ]

    @pytest.mark.parametrize("wanted", [{"a": b"1", "c": b"3"}, {"c": b"3"}], ids=["overwrite", "delete"])
    def test_a_change_made_by_hand(self, wanted: Files) -> None:
        before = manifest({"a": b"1", "c": b"3"})
        there = stored({"a": b"by hand", "c": b"3"})
        with pytest.raises(UnsafeActionError, match=r"'a' is changed by hand since release r1-aaaaaaaa.*--repair"):
            plan(desired(wanted), there, before)
        assert len(plan(desired(wanted), there, before, rules=Rules(repair=True))) == 1

    def test_adopt_does_not_cover_repair_and_the_reverse(self) -> None:
        with pytest.raises(UnsafeActionError, match="by hand"):
            plan(desired({"a": b"1"}), stored({"a": b"x"}), manifest({"a": b"1"}), rules=Rules(adopt=True))
        with pytest.raises(UnsafeActionError, match="owns it"):
            plan(desired({"a": b"1"}), stored({"a": b"x"}), None, rules=Rules(repair=True))

    def test_a_mass_delete(self) -> None:
        before = dict.fromkeys("abcd", b"1")
        found = plan(desired({"a": b"1", "b": b"1"}), stored(before), manifest(before))
        assert len(found) == 2
        with pytest.raises(UnsafeActionError, match=r"deletes 3 of 4 owned files, 75% > 50%"):
            plan(desired({"a": b"1"}), stored(before), manifest(before))
        allowed = Rules(allow_mass_delete=True)
        assert len(plan(desired({"a": b"1"}), stored(before), manifest(before), rules=allowed)) == 3

    def test_moved_files_are_no_mass_delete(self) -> None:
        before = {f"a/{n}.py": b"%d" % n for n in range(9)}
        same = {f"b/{n}.py": b"%d" % n for n in range(9)}
        assert len(plan(desired(same), stored(before), manifest(before))) == 18
        few = {"dag_1.py": b"1", "helper_1.py": b"1"}
        assert len(plan(desired({"dag_2.py": b"2", "helper_2.py": b"2"}), stored(few), manifest(few))) == 4
        with pytest.raises(UnsafeActionError, match=r"deletes 2 of 2 owned files"):
            plan(desired({"dag_2.py": b"2"}), stored(few), manifest(few))
        other = {f"b/{n}.py": b"other %d" % n for n in range(9)}
        with pytest.raises(UnsafeActionError, match=r"deletes 9 of 9 owned files"):
            plan(desired(other), stored(before), manifest(before))

    def test_leftovers_of_an_unfinished_delivery_are_no_mass_delete(self) -> None:
        before, left = {"a": b"1"}, dict.fromkeys("wxyz", b"2")
        found = plan(desired(before), stored(before | left), manifest(before), claims=claims(left))
        assert [change.path for change in found] == ["w", "x", "y", "z"]

    @pytest.mark.parametrize(("theirs", "ours"), [("etl", "etl/a.py"), ("etl.py/x", "etl.py")])
    def test_a_name_that_would_be_file_and_folder(self, theirs: str, ours: str) -> None:
        with pytest.raises(UnsafeActionError, match="both a file and a folder"):
            plan(desired({ours: b"1"}), stored({theirs: b"1"}), None)

    def test_many_names_are_counted_not_listed(self) -> None:
        files = {f"f{n}": b"1" for n in range(9)}
        with pytest.raises(UnsafeActionError, match="'f4' and 4 more are in the bucket"):
            plan(desired(files), stored(dict.fromkeys(files, b"x")), None)


class TestOrder:
    def test_modules_then_dags_then_deletes_then_airflowignore(self) -> None:
        before = {"old_dag.py": b"1", "old_helper.py": b"1", "keep": b"1", "keep2": b"1"}
        kinds = {"old_dag.py": Kind.DAG, "old_helper.py": Kind.MODULE}
        wanted = {
            ".airflowignore": b"2",
            "dag.py": b"2",
            "helper.py": b"2",
            "deep.py": b"2",
            "keep": b"1",
            "keep2": b"1",
        }
        placements = {
            "dag.py": Placement(kind=Kind.DAG, level=2),
            "helper.py": Placement(kind=Kind.MODULE, level=1),
            "deep.py": Placement(kind=Kind.MODULE, level=0),
        }
        found = plan(desired(wanted), stored(before), manifest(before, kinds), placements=placements)
        assert steps(found) == [
            (0, "add", "deep.py"),
            (1, "add", "helper.py"),
            (2, "add", "dag.py"),
            (3, "delete", "old_dag.py"),
            (4, "delete", "old_helper.py"),
            (5, "add", ".airflowignore"),
        ]

    @pytest.mark.parametrize(("old", "new"), [("etl", "etl/a.py"), ("etl/a", "etl")])
    def test_a_file_that_becomes_a_folder_makes_room_first(self, old: str, new: str) -> None:
        before = {old: b"1", "x": b"1"}
        found = plan(desired({new: b"1", "x": b"1"}), stored(before), manifest(before))
        assert steps(found) == [(0, "delete", old), (1, "add", new)]


paths = st.sampled_from(["a.py", "b.py", "lib/c.py", "lib/d.sql", "e", ".airflowignore"])
trees = st.dictionaries(paths, st.sampled_from([b"1", b"2", b"3"]), max_size=6)


@given(
    before=trees, wanted=trees, half=trees, foreign=st.dictionaries(st.sampled_from(["x.py", "lib/y"]), st.just(b"f"))
)
def test_a_plan_carried_out_gives_the_wanted_tree_and_leaves_the_rest(
    before: Files, wanted: Files, half: Files, foreign: Files
) -> None:
    """Also when a delivery of the tree `half` wrote every file it wanted and died before it deleted any."""
    there = before | half | foreign
    rules = Rules(allow_mass_delete=True)
    found = plan(desired(wanted), stored(there), manifest(before), claims=claims(half), rules=rules)
    after = carried_out(there, found, wanted)
    assert after == wanted | foreign
    assert [change.wave for change in found] == sorted(change.wave for change in found)
    assert plan(desired(wanted), stored(after), manifest(wanted), rules=rules) == ()


@given(before=trees, there=trees, wanted=trees)
def test_whatever_is_there_only_owned_or_equal_objects_are_touched(before: Files, there: Files, wanted: Files) -> None:
    try:
        found = plan(desired(wanted), stored(there), manifest(before), rules=Rules(allow_mass_delete=True))
    except UnsafeActionError:
        assert any(there[path] != before.get(path) for path in there)
        return
    for change in found:
        if change.action in {Action.UPDATE, Action.DELETE}:
            assert there[change.path] == before[change.path]
