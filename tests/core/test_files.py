"""References to files: names, places, digests, and files that are made when they are opened."""

from __future__ import annotations

import gc
import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import caseferry as cf
from caseferry.files import Digesting, FileProblem, Rewindable, check_name, file_name, made, release


@pytest.mark.parametrize(
    ("location", "scheme", "name"),
    [
        ("a/b.dcm", "file", "b.dcm"),
        ("C:\\a\\b.dcm", "file", "b.dcm"),
        ("s3://bucket/a/b.dcm", "s3", "b.dcm"),
        ("https://host/a/b.dcm?sign=1", "https", "b.dcm"),
        ("/a/b.dcm/", "file", "b.dcm"),
        ("darwin:uploads/7", "darwin", "7"),
    ],
)
def test_places_and_names(location: str, scheme: str, name: str) -> None:
    ref = cf.FileRef.of(location)
    assert (ref.scheme, ref.name) == (scheme, name)
    assert (ref.path is not None) == (scheme == "file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("..", "is not a file name"),
        (".", "is not a file name"),
        ("a/b", "holds a path separator"),
        ("a\\b", "holds a path separator"),
        ("a\0b", "holds a control character"),
        ("a\x7fb", "holds a control character"),
        ("ü" * 128, "is longer than 255 bytes"),
        ("a\udcff", "is not text that every system can write (its bytes are no UTF-8)"),
    ],
)
def test_names_that_are_none(name: str, message: str) -> None:
    with pytest.raises(FileProblem) as caught:
        cf.FileRef("x", name)
    assert str(caught.value) == f"the file name {name!r} {message}"


def test_a_digest_and_a_size_that_are_none() -> None:
    for digest in ("x", "A" * 64, "0" * 63):
        with pytest.raises(FileProblem, match="expected 64 hexadecimal digits in lower case"):
            cf.FileRef("x", sha256=digest)
    for size in (-1, True, 1.5):
        with pytest.raises(FileProblem, match="expected a number of bytes"):
            cf.FileRef("x", size=size)  # type: ignore[arg-type]


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for location in (str(tmp_path / "missing"), str(tmp_path), "/a\0b/c"):
        with pytest.raises(FileProblem, match="cannot be opened: "):
            cf.FileRef(location, "x").open()
    with pytest.raises(cf.ConfigurationError, match="can only be opened through the dataset it came from"):
        cf.FileRef.of("darwin:uploads/7").open()
    with pytest.raises(FileProblem, match="the data URL of 'x' is damaged"):
        cf.FileRef("data:;base64,!!!", "x").read()


def test_bytes_carried_along() -> None:
    ref = cf.FileRef.of_bytes(b"hello", "a.txt")
    assert cf.FileRef.from_json(ref.to_json()).read() == b"hello"
    assert (ref.size, ref.sha256) == (5, hashlib.sha256(b"hello").hexdigest())


def test_measuring(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"hello")
    measured = cf.FileRef.of(path).measured()
    assert (measured.size, measured.sha256) == (5, hashlib.sha256(b"hello").hexdigest())
    assert measured.measured() is measured
    with Digesting(io.BytesIO(b"hello")) as stream:
        stream.read()
        assert (stream.count, stream.sha256) == (measured.size, measured.sha256)


def test_a_made_file_is_made_once_and_removed() -> None:
    calls: list[int] = []
    paths: list[str] = []

    def make(out: io.BufferedIOBase) -> None:
        calls.append(1)
        out.write(b"made")

    ref = made(make, "a.bin")  # type: ignore[arg-type]
    with ref.open() as stream:
        paths.append(stream.name)
    assert ref.read() == b"made"
    assert ref.length() == 4
    assert calls == [1]
    release(ref)
    assert not Path(paths[0]).exists()
    with ref.open() as stream:
        paths.append(stream.name)
    del ref
    gc.collect()
    assert not Path(paths[1]).exists()


def test_a_file_that_fails_to_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def make(out: io.BufferedIOBase) -> None:
        out.write(b"half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        made(make, "a.bin").open()  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_the_beginning_of_a_stream_can_be_read_again() -> None:
    content = bytes(range(256)) * 1000
    stream = Rewindable(io.BytesIO(content))
    assert stream.read(10) == content[:10]
    stream.seek(4)
    assert stream.read(4) == content[4:8]
    stream.seek(100_000)
    assert stream.read(5) == content[100_000:100_005]
    assert stream.seek(-3, os.SEEK_END) == len(content) - 3
    assert stream.read() == content[-3:]
    assert stream.read(1) == b""


@given(st.text(max_size=300), st.sampled_from(["", ".nii.gz"]))
@example("心" * 255, ".dcm")
@example("..", "")
@example("a/b\\c\0\n", ".mha")
def test_any_text_makes_a_name_of_a_file(text: str, ending: str) -> None:
    """Ids of annotations and roles of images are any text, and files are named by them."""
    name = file_name(text, ending)
    assert check_name(name) is None
    assert name.endswith(ending)
    if check_name(text + ending) is None and text.isprintable():
        assert name == text + ending
