"""Git packs read without Git, and contents kept in them."""

from __future__ import annotations

import hashlib
import random
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.archive import Archive, Content
from cicd.dags.delivery import deliver
from cicd.dags.git.blobs import GitBlobs
from cicd.dags.git.pack import GitPack
from cicd.dags.git.tree import Selection, fetch_commit, fetch_tree
from cicd.dags.layout import Layout
from cicd.dags.model import DesiredFile, Kind, OwnedFile
from cicd.dags.sources import from_git, from_release
from cicd.dags.stores.local import LocalStore
from headgate.errors import RemoteStateError
from headgate.git import Git
from tests.testing.dag_stores import PlainContent, bundle, contents, desired, md5, quiet
from tests.testing.repositories import commit_files, new_repository
from tests.testing.stepped_clock import SteppedClock


def owned(file: DesiredFile, pack: str) -> OwnedFile:
    return OwnedFile(
        path=file.path, size=file.size, md5=file.md5, blob=file.blob, generation=1, kind=Kind.DATA, pack=pack
    )


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def layout() -> Layout:
    return Layout(prefix="dags/", project="p")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    (tmp_path / "bucket").mkdir()
    return LocalStore(tmp_path / "bucket")


def versions() -> dict[str, bytes]:
    """Files that Git stores as changes of each other, and others."""
    text = b"".join(b"line %d %s\n" % (number, noise(8, number).hex().encode()) for number in range(6000))
    files = {f"dags/v{number}.txt": text[: 1000 * number] + b"changed\n" + text[1001 * number :] for number in range(8)}
    return files | {"dags/empty": b"", "dags/big": noise(1_100_000, 1), "dags/twin": files["dags/v3.txt"]}


@pytest.fixture
def packed(tmp_path: Path) -> Git:
    """A clone, in which Git has packed everything."""
    git = new_repository(tmp_path / "repo")
    commit_files(git, versions(), "one")
    git.run("gc", "--quiet", "--aggressive")
    return git


def tree(git: Git, blobs: GitBlobs) -> tuple[DesiredFile, ...]:
    return fetch_tree(git, blobs, fetch_commit(git, "HEAD"), Selection(source="dags", ref="HEAD"), known={})


def test_everything_comes_back_from_gits_own_pack(packed: Git) -> None:
    with GitBlobs(packed) as blobs:
        files = tree(packed, blobs)
        data = blobs.pack(files)
    assert data is not None
    assert len(data) < 2_000_000 < sum(file.size for file in files)  # taken over with its deltas
    pack = GitPack(data)
    for _ in range(2):
        for file in reversed(files):
            assert pack.read(file.md5) == versions()[f"dags/{file.path}"]
    with pytest.raises(KeyError):
        pack.read(md5(b"another"))


def test_loose_objects_too(tmp_path: Path) -> None:
    git = new_repository(tmp_path / "repo")
    commit_files(git, versions(), "one")
    with GitBlobs(git) as blobs:
        files = tree(git, blobs)
        data = blobs.pack(files)
    assert data is not None
    pack = GitPack(data)
    assert {file.path: pack.read(file.md5) for file in files} == {
        path.removeprefix("dags/"): content for path, content in versions().items()
    }


def test_a_large_push_keeps_one_git_pack_and_a_small_one_a_zip(packed: Git, store: LocalStore, layout: Layout) -> None:
    archive = Archive(store, layout)
    with GitBlobs(packed) as blobs:
        files = tree(packed, blobs)
        ((name, inside),) = archive.keep(files, blobs)
        assert {file.md5 for file in inside} == {file.md5 for file in files}
        ((small, _),) = archive.keep(files[1:2], blobs)
    there, zipped = store.read(name), store.read(small)
    assert there is not None
    assert zipped is not None
    assert (there[0][:4], zipped[0][:2]) == (b"PACK", b"PK")
    kept = archive.content([owned(file, name) for file in files])
    for file in files:
        assert kept.read(file) == versions()[f"dags/{file.path}"]


def test_where_git_makes_no_pack_contents_are_kept_all_the_same(store: LocalStore, layout: Layout) -> None:
    contents = {f"{number}.bin": noise(400_000, number) for number in range(4)}

    class NoPack(PlainContent):
        def pack(self, files: object) -> None:
            return None

    content: Content = NoPack(contents)
    files = desired(contents)
    kept = list(Archive(store, layout).keep(files, content))
    by_md5 = {file.md5: name for name, inside in kept for file in inside}
    back = Archive(store, layout).content([owned(file, by_md5[file.md5]) for file in files])
    assert {file.path: back.read(file) for file in files} == contents


def test_blobs_that_are_not_there_make_no_pack(packed: Git, tmp_path: Path) -> None:
    with GitBlobs(packed) as blobs:
        (file, *_) = tree(packed, blobs)
        assert blobs.pack([replace(file, blob="0" * 40)]) is None
    with GitBlobs(Git(path=tmp_path, extra_env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})) as blobs:
        assert blobs.pack([file]) is None


def entry(kind: int, data: bytes, before: bytes = b"") -> bytes:
    size, head = len(data), bytearray()
    byte = kind << 4 | size & 15
    size >>= 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head) + before + zlib.compress(data)


def pack_of(*entries: bytes, count: int | None = None) -> bytes:
    number = len(entries) if count is None else count
    data = b"PACK\0\0\0\2" + number.to_bytes(4, "big") + b"".join(entries)
    return data + hashlib.sha1(data, usedforsecurity=False).digest()


def test_a_delta_as_the_format_describes_it() -> None:
    base = entry(3, b"hello world")
    delta = b"\x0b\x08" + b"\x90\x03" + b"\x01-" + b"\x91\x07\x04"  # hel - orld
    data = pack_of(base, entry(6, delta, bytes([len(base)])))
    assert GitPack(data).read(md5(b"hel-orld")) == b"hel-orld"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4",
        b"PACK\0\0\0\7\0\0\0\0",
        pack_of(count=1),
        pack_of(entry(1, b"tree 123")),
        pack_of(entry(7, b"\2\2\1a", bytes(20))),
        pack_of(entry(6, b"\0\1\1a", b"\0")),
        pack_of(entry(6, b"\0\1\1a", b"\x7f")),
        pack_of(entry(3, b"abc"), entry(6, b"\4\1\1a", b"\x0c")),
        pack_of(entry(3, b"abc"), entry(6, b"\3\2\1a", b"\x0c")),
        pack_of(entry(3, b"abc"), entry(6, b"\xff", b"\x0c")),
        pack_of(entry(3, b"x" * 100)[:8], count=1),
        pack_of(b"\x35" + zlib.compress(b"abc")),
    ],
)
def test_what_is_no_pack_of_blobs(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"pack|itself|delta|decompressing"):
        GitPack(data)


SAMPLE = pack_of(
    entry(3, b"hello world" * 5),
    entry(6, b"\x37\x08" + b"\x90\x03" + b"\x01-" + b"\x91\x07\x04", bytes([len(entry(3, b"hello world" * 5))])),
)


@given(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_pack_gives_the_right_bytes_or_an_error(at: int, noise: bytes) -> None:
    damaged = SAMPLE[:at] + noise + SAMPLE[at + len(noise) :]
    for content in (b"hello world" * 5, b"hel-orld"):
        try:
            assert GitPack(damaged).read(md5(content)) == content
        except (ValueError, KeyError):
            continue


def test_a_damaged_git_pack_is_named_when_a_release_is_restored(store: LocalStore, layout: Layout) -> None:
    store.write("p.pack", SAMPLE[:-30], if_generation=0)
    file = desired({"a.txt": b"hel-orld"})[0]
    with pytest.raises(RemoteStateError, match=r"'a\.txt' cannot be restored: the pack cannot be read"):
        Archive(store, layout).content([owned(file, "p.pack")]).read(file)


def test_releases_from_git_are_restored_from_its_packs(packed: Git, store: LocalStore) -> None:
    """A large first push, a large and a small change; back to each without the repository."""
    clock, trees = SteppedClock(), dict[str, dict[str, bytes]]()
    changes: list[dict[str, str | bytes]] = [{}, {"dags/big": noise(1_200_000, 2)}, {"dags/v1.txt": "small"}]
    for change in changes:
        if change:
            commit_files(packed, change, "change")
        with GitBlobs(packed) as blobs:
            load = from_git(packed, blobs, Selection(source="dags", ref="HEAD"), prefix="dags/")
            done = deliver(bundle(store), load, clock=clock, progress=quiet)
        trees[done.manifest.release] = contents(store)
    kinds = [
        there[0][:2] for item in store.list(".headgate/state/dags/dags/packs/") if (there := store.read(item.path))
    ]
    assert sorted(kinds) == [b"PA", b"PA", b"PK"]
    shutil.rmtree(packed.path)
    for release, tree_then in trees.items():
        deliver(bundle(store), from_release(bundle(store).ledger, release), clock=clock, progress=quiet)
        assert contents(store) == tree_then
