"""A folder of cases: written at once or not at all, and read however it was filled."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

import caseferry as cf
from caseferry.errors import AlreadyExists, InvalidCase, NotFound, PermissionDenied, PlatformError
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry.testing import Samples
from caseferry_local.client import Folder
from caseferry_local.dataset import LocalDataset
from caseferry_local.wire import safe_name
from grand_challenge_scene import series, volume

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cases"


@pytest.fixture
def folder(root: Path) -> Iterator[LocalDataset]:
    with cf.connect(f"local:{root}") as dataset:
        assert isinstance(dataset, LocalDataset)
        yield dataset


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path / "samples")


def noted(case_id: str, **parts: Any) -> cf.Case:
    attachment = cf.Attachment("note", FileRef.of_bytes(b"note", "note.txt"))
    return cf.Case(id=case_id, attachments=[attachment], **parts)


def ids(folder: LocalDataset) -> list[str]:
    return sorted(item.case_id for item in folder.items())


class TestWriting:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of itself")
    def test_killed_at_any_step(self, tmp_path: Path) -> None:
        """No half case is ever seen, and the next attempt completes it and clears up."""
        script = Path(__file__).with_name("killed_anywhere.py")
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "cases")], capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout)
        assert told["wrong"] == []
        assert told["steps"] > 10

    def test_threads_that_put_the_same_case(self, folder: LocalDataset) -> None:
        with ThreadPoolExecutor(8) as pool:
            items = list(pool.map(lambda _: folder.put(noted("same")).id, range(8)))
        assert (set(items), ids(folder)) == ({"same"}, ["same"])

    def test_processes_that_put_the_same_case(self, root: Path, folder: LocalDataset) -> None:
        """One meets the other half way, and both are told the same item."""
        other = LocalDataset(root, names=folder.names, phi="refuse", capabilities=folder.capabilities)
        send, reached, go_on = Folder.send, threading.Event(), threading.Event()

        def slowly(self: Folder, call: Any) -> Any:
            if self is other._folder and call.method == "COMMIT":
                reached.set()
                go_on.wait(10)
            return send(self, call)

        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool, other:
            patch.setattr(Folder, "send", slowly)
            late = pool.submit(other.put, noted("same"))
            assert reached.wait(10)
            early = folder.put(noted("same"))
            go_on.set()
            assert late.result().id == early.id
        assert [path.name for path in root.iterdir()] == ["same"]
        assert early.case().attachments[0].file.read() == b"note"

    def test_another_case_of_the_same_name(self, folder: LocalDataset) -> None:
        folder.put(noted("same"))
        with pytest.raises(AlreadyExists, match="same"):
            folder.put(noted("same", values={"other": 1}))

    @pytest.mark.parametrize(
        ("number", "kind", "words"),
        [
            (errno.ENOSPC, PlatformError, "No space left"),
            (errno.EACCES, PermissionDenied, "may not be written"),
            (errno.EROFS, PlatformError, "Read-only"),
        ],
    )
    def test_a_disk_that_refuses(
        self,
        folder: LocalDataset,
        root: Path,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        kind: type[Exception],
        words: str,
    ) -> None:
        def refuse(*_: Any) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr("caseferry_local.client.os.fsync", refuse)
            with pytest.raises(kind, match=words):
                folder.put(noted("one"))
        assert list(root.iterdir()) == [], "what was written takes no room"
        assert folder.put(noted("one")).case_id == "one"

    @pytest.mark.parametrize("what", ["listed", "put into"])
    def test_a_folder_without_rights(
        self, folder: LocalDataset, root: Path, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        root.mkdir()

        def refuse(*_: Any, **__: Any) -> Any:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "iterdir" if what == "listed" else "mkdir", refuse)
        with pytest.raises(PermissionDenied, match=str(root)):
            list(folder.items()) if what == "listed" else folder.put(noted("one"))

    def test_files_of_the_same_name_and_in_other_letters(self, folder: LocalDataset, root: Path) -> None:
        """Also where a file system does not tell A from a."""
        files = {name: FileRef.of_bytes(name.encode(), name) for name in ("Scan.CSV", "scan.csv", "SCAN.csv")}
        case = cf.Case(id="one", attachments=[cf.Attachment(f"a {name}", ref) for name, ref in files.items()])
        item = folder.put(case)
        written = [path.name.lower() for path in (root / "one" / "attachments").iterdir()]
        assert len(set(written)) == 3
        assert [each.file.read().decode() for each in item.case().attachments] == list(files)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["CON", "nul.txt", "com1", "LPT9.dcm", "a.", "a b ", " a", ".hidden", "..", "a/b", "a\\b", "a:b", "a*?", "%41"],
    )
    def test_are_usable_everywhere(self, name: str) -> None:
        safe = safe_name(name)
        assert not set(safe) & set('/\\:*?"<>|\0')
        assert safe[-1] not in ". "
        assert safe[0] not in ". "
        assert safe.partition(".")[0].upper() not in {"CON", "NUL", "COM1", "LPT9"}

    @settings(max_examples=60)
    @given(st.lists(st.text(min_size=1, max_size=150), min_size=2, max_size=2, unique=True))
    def test_stay_apart(self, names: list[str]) -> None:
        assert safe_name(names[0]) != safe_name(names[1])
        assert len(safe_name(names[0]).encode()) <= 255

    def test_outside_the_folder_is_nobody(self, folder: LocalDataset, root: Path, samples: Samples) -> None:
        folder.put(noted("one"))
        samples.image(Kind.NIFTI, "beside")
        for name in (
            "..",
            ".",
            "../samples",
            str(root.parent / "samples"),
            "one/attachments",
            "",
            ".caseferry-incoming",
        ):
            with pytest.raises(NotFound):
                folder.get(name)

    @pytest.mark.parametrize("place", ["../../secret.txt", "/etc/passwd", "attachments/../../../secret.txt"])
    def test_a_description_that_points_out(self, folder: LocalDataset, root: Path, place: str) -> None:
        folder.put(noted("one"))
        (root.parent / "secret.txt").write_text("secret")
        path = root / "one" / "case.json"
        document = json.loads(path.read_text())
        document["attachments"][0]["file"]["location"] = place
        path.write_text(json.dumps(document))
        (item,) = folder.items()
        with pytest.raises(InvalidCase, match="outside"):
            item.case()

    def test_a_link_that_points_out(self, folder: LocalDataset, root: Path) -> None:
        folder.put(noted("one"))
        (root.parent / "secret.txt").write_text("secret")
        note = root / "one" / "attachments" / "note.txt"
        note.unlink()
        note.symlink_to(root.parent / "secret.txt")
        (item,) = folder.items()
        with pytest.raises(InvalidCase, match="outside"):
            item.case()

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 7}', b"\xff\xfe", b"null"])
    def test_a_damaged_description_is_named(self, folder: LocalDataset, root: Path, content: bytes) -> None:
        folder.put(noted("one"))
        (root / "one" / "case.json").write_bytes(content)
        with pytest.raises((InvalidCase, PlatformError), match=r"case\.json|version|id"):
            [item.case() for item in folder.items()]


class TestFilledByHand:
    """A folder of images that no description came with."""

    def test_directories_and_single_files(self, folder: LocalDataset, root: Path, samples: Samples) -> None:
        root.mkdir()
        series(root / "patient 1" / "ct", volume().astype("u2"))
        series(root / "patient 1" / "again", volume().astype("u2"), modality="MR")
        (root / "patient 1" / "notes.txt").write_text("notes")
        for name in ("a.nii.gz", "b.nii.gz"):
            shutil.copy(str(samples.image(Kind.NIFTI, name).files[0].path), root / name)
        shutil.copy(get_testdata_file("CT_small.dcm"), root / "slice.dcm")
        (root / "empty").mkdir()
        (root / "readme.md").write_text("not an image")
        cases = {item.id: item.case() for item in folder.items()}
        assert sorted(cases) == ["a", "b", "patient 1", "slice"]
        assert sorted(image.role for image in cases["patient 1"].images) == ["ct", "mr"]
        assert [image.geometry.shape for image in cases["patient 1"].images if image.geometry] == [(7, 5, 4)] * 2
        assert [each.name for each in cases["patient 1"].attachments] == ["notes.txt"]
        assert {name: folder.get(name).case_id for name in cases} == {name: name for name in cases}

    def test_files_of_one_name(self, folder: LocalDataset, root: Path, samples: Samples) -> None:
        """Each keeps an identity of its own."""
        root.mkdir()
        shutil.copy(str(samples.image(Kind.NIFTI).files[0].path), root / "scan.nii.gz")
        shutil.copy(str(samples.image(Kind.METAIMAGE).files[0].path), root / "scan.mha")
        folder.put(noted("other"))
        shutil.copy(str(samples.image(Kind.NIFTI).files[0].path), root / "other.nii.gz")
        assert sorted(item.id for item in folder.items()) == ["other", "other.nii.gz", "scan.mha", "scan.nii.gz"]
        assert folder.get("scan.mha").case().images[0].kind is Kind.METAIMAGE

    def test_listing_opens_no_file_of_cases(
        self, folder: LocalDataset, root: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many there are."""
        for name in ("one", "two"):
            folder.put(samples.case(name, Kind.NIFTI))
        opened: list[str] = []
        plain = Path.open

        def watched(self: Path, *arguments: Any, **more: Any) -> Any:
            opened.append(self.name)
            return plain(self, *arguments, **more)

        monkeypatch.setattr(Path, "open", watched)
        assert ids(folder) == ["one", "two"]
        assert not [name for name in opened if name.endswith(".nii.gz")]

    def test_links_are_not_followed_out(self, folder: LocalDataset, root: Path, samples: Samples) -> None:
        (root / "patient").mkdir(parents=True)
        source = samples.image(Kind.NIFTI).files[0].path
        assert source is not None
        (root / "patient" / "scan.nii.gz").symlink_to(source)
        assert list(folder.items()) == []

    def test_hidden_folders_are_passed_over(self, folder: LocalDataset, root: Path, samples: Samples) -> None:
        (root / "patient" / ".trash").mkdir(parents=True)
        shutil.copy(str(samples.image(Kind.NIFTI).files[0].path), root / "patient" / ".trash" / "old.nii.gz")
        assert list(folder.items()) == []

    def test_a_folder_of_images_becomes_a_case_elsewhere(
        self, folder: LocalDataset, root: Path, tmp_path: Path
    ) -> None:
        series(root / "patient 1" / "ct", volume().astype("u2"))
        with cf.connect(f"local:{tmp_path / 'copy'}") as copy:
            (item,) = folder.items()
            there = copy.put(item.case(), phi="keep").case()
        assert there.images[0].geometry == item.case().images[0].geometry
        assert len(there.images[0].files) == 4


def test_deleting(folder: LocalDataset, root: Path) -> None:
    item = folder.put(noted("one"))
    folder.delete(item)
    assert (list(folder.items()), list(root.iterdir())) == ([], [])
    with pytest.raises(NotFound):
        folder.delete(item)
    assert folder.put(noted("one")).case_id == "one"
