"""One contract for every store: `file://`, and Cloud Storage and S3 over the sandbox."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cicd.dags.stores.gcs import GcsStore
from cicd.dags.stores.local import LocalStore
from cicd.dags.stores.port import DagStore
from cicd.dags.stores.s3 import S3Store
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.s3 import S3Sandbox
from headgate.errors import ConflictError, NotFoundError
from tests.testing.dag_stores import loopback_aws, md5

Open = Callable[[str], DagStore]


@pytest.fixture(params=["file", "gcs", "s3"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the same bucket anew each time; `bucket` exists, other names do not."""
    if request.param == "file":
        (tmp_path / "bucket").mkdir()
        yield lambda name: LocalStore(tmp_path / name)
        return
    with ExitStack() as stack:
        if request.param == "gcs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", stack.enter_context(GcsSandbox(buckets=["bucket"])).url)
        else:
            loopback_aws(monkeypatch, stack.enter_context(S3Sandbox(buckets=["bucket"])).url)

        def opened(name: str) -> DagStore:
            store = GcsStore(name) if request.param == "gcs" else S3Store(name)
            stack.callback(store.close)
            return store

        yield opened


@pytest.fixture
def store(open_store: Open) -> DagStore:
    return open_store("bucket")


def test_write_read_list_delete(store: DagStore) -> None:
    written = store.write("dags/a.py", b"one", if_generation=0)
    fields = (written.path, written.size, written.md5)
    assert fields == ("dags/a.py", 3, md5(b"one"))
    assert written.generation > 0
    assert store.read("dags/a.py") == (b"one", written.generation)
    (listed,) = store.list("dags/")
    assert (listed.path, listed.size, listed.md5, listed.generation) == (*fields, written.generation)
    assert listed.updated is not None
    store.delete("dags/a.py", if_generation=written.generation)
    assert store.read("dags/a.py") is None
    assert store.list("") == ()


def test_a_listing_has_the_prefix_only_and_is_ordered(store: DagStore) -> None:
    for path in ("dags/b", "dags/a/z", "dags2/c", "dags/a.py", "e"):
        store.write(path, path.encode(), if_generation=0)
    assert [item.path for item in store.list("dags/")] == ["dags/a.py", "dags/a/z", "dags/b"]
    assert [item.path for item in store.list("dags")] == ["dags/a.py", "dags/a/z", "dags/b", "dags2/c"]
    assert store.list("nothing/") == ()


def test_names_that_are_expected_change_nothing(store: DagStore) -> None:
    for path in ("dags/b", "dags/a/z", "dags2/c", "e"):
        store.write(path, path.encode(), if_generation=0)
    for expected in ([], ["dags/b"], [f"dags/{number}" for number in range(3000)]):
        assert store.list("dags/", expected=expected) == store.list("dags/")


def test_every_other_content_is_another_generation(store: DagStore) -> None:
    generation, seen = 0, []
    for number in range(20):
        generation = store.write("a", b"%d" % number, if_generation=generation).generation
        seen.append(generation)
    assert len(set(seen)) == 20
    assert min(seen) > 0


def test_where_there_are_real_generations_every_write_has_a_higher_one(store: DagStore) -> None:
    if isinstance(store, S3Store):
        pytest.skip("S3 has ETags: equal contents are the same generation, which a swap may take for each other")
    generation, seen = 0, []
    for number in range(20):
        generation = store.write("a", b"%d" % (number % 2), if_generation=generation).generation
        seen.append(generation)
    assert seen == sorted(set(seen))
    store.delete("a", if_generation=generation)
    assert store.write("a", b"1", if_generation=0).generation > generation


def test_generations_do_not_repeat_after_a_delete(store: DagStore) -> None:
    first = store.write("a", b"1", if_generation=0).generation
    store.delete("a", if_generation=first)
    assert store.write("a", b"2", if_generation=0).generation != first


def test_preconditions(store: DagStore) -> None:
    first = store.write("a", b"1", if_generation=0).generation
    second = store.write("a", b"2", if_generation=first).generation
    for stale in (0, first, second + 1):
        with pytest.raises(ConflictError, match="'a'"):
            store.write("a", b"3", if_generation=stale)
    for stale in (first, second + 1):
        with pytest.raises(ConflictError, match="'a'"):
            store.delete("a", if_generation=stale)
    with pytest.raises(ConflictError, match="'b'"):
        store.write("b", b"3", if_generation=second)
    assert store.read("a") == (b"2", second)


def test_deleting_what_is_gone_is_no_error(store: DagStore) -> None:
    store.delete("a/b", if_generation=5)
    assert not list(store.list("a/"))


@pytest.mark.parametrize(
    "path",
    [
        "dags/100%.sql",
        "dags/a#b?c=d&e.txt",
        "dags/a b+c.py",
        "dags/%2F.py",
        "dags/é/🚀.py",
        "dags/[x]*.json",
        "dags/'\"$;",
    ],
)
def test_odd_names(store: DagStore, path: str) -> None:
    written = store.write(path, b"1", if_generation=0)
    assert store.read(path) == (b"1", written.generation)
    assert [item.path for item in store.list("dags/")] == [path]
    store.delete(path, if_generation=written.generation)
    assert store.list("") == ()


def test_empty_and_binary_content(store: DagStore) -> None:
    assert store.write("empty", b"", if_generation=0).size == 0
    data = bytes(range(256)) * 4096
    store.write("big", data, if_generation=0)
    read = store.read("big")
    assert read is not None
    assert read[0] == data
    assert {item.path: item.md5 for item in store.list("")} == {"empty": md5(b""), "big": md5(data)}


def test_a_bucket_that_does_not_exist(open_store: Open) -> None:
    missing = open_store("missing")
    with pytest.raises(NotFoundError):
        missing.list("dags/")
    with pytest.raises(NotFoundError):
        missing.write("a", b"1", if_generation=0)


def test_of_many_who_swap_at_once_one_wins_each_time(open_store: Open) -> None:
    """Eight threads count up in one object: no increment may be lost."""
    generation = open_store("bucket").write("n", b"0", if_generation=0).generation
    assert generation
    done: list[int] = []

    def count() -> None:
        store = open_store("bucket")
        for _ in range(5):
            while True:
                there = store.read("n")
                assert there is not None
                try:
                    store.write("n", b"%d" % (int(there[0]) + 1), if_generation=there[1])
                except ConflictError:
                    continue
                done.append(1)
                break

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert open_store("bucket").read("n") == (b"40", open_store("bucket").list("n")[0].generation)
    assert len(done) == 40


def test_of_many_who_create_at_once_one_wins(open_store: Open) -> None:
    won: list[int] = []

    def create(number: int) -> None:
        try:
            open_store("bucket").write("lock", b"%d" % number, if_generation=0)
        except ConflictError:
            return
        won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    there = open_store("bucket").read("lock")
    assert there is not None
    assert there[0] == b"%d" % won[0]
