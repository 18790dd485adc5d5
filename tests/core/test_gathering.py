"""Files that nobody has described, as cases."""

from __future__ import annotations

import io
import tracemalloc
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

import caseferry as cf
from caseferry.case.gathering import gather

if TYPE_CHECKING:
    from collections.abc import Iterator


def picture() -> bytes:
    stream = io.BytesIO()
    Picture.new("L", (2, 2)).save(stream, "PNG")
    return stream.getvalue()


NAMES = st.text("ab1. _é", min_size=1, max_size=5).filter(lambda name: name.strip(" .") == name)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), unique=True, max_size=8)


@given(PATHS)
def test_each_file_is_in_one_case_or_left_out(paths: list[str]) -> None:
    content = picture()
    files = [
        (path, cf.FileRef.of_bytes(content if n % 2 else b"none", path.rpartition("/")[2]))
        for n, path in enumerate(paths)
    ]
    left_out: list[str] = []
    found = list(gather(files, left_out))
    assert sorted([each.id for each in found] + left_out) == sorted(paths)
    assert [each.id for each in found] == sorted(each.id for each in found)
    assert len({each.case().id for each in found}) == len(found)
    for each in found:
        assert each.id == "/".join(filter(None, [each.folder, each.files[0].name]))


def test_an_ending_is_believed_and_any_other_file_is_looked_into() -> None:
    opened: list[str] = []

    def opener(name: str) -> io.BytesIO:
        opened.append(name)
        return io.BytesIO(picture())

    names = ("a.PNG", "b.nii.gz", "c.mp4", "d.pdf", "e.dat", "f")
    files = [(name, cf.FileRef(f"s3://x/{name}", size=80, opener=lambda name=name: opener(name))) for name in names]
    found = {each.id: each.role for each in gather(files, [])}
    assert found == {
        "a.PNG": "image",
        "b.nii.gz": "image",
        "c.mp4": "video",
        "d.pdf": "document",
        "e.dat": "image",
        "f": "image",
    }
    assert sorted(opened) == ["e.dat", "f"]


def test_memory_does_not_grow_with_the_number_of_files() -> None:
    def many(count: int) -> Iterator[tuple[str, cf.FileRef]]:
        for number in range(count):
            path = f"site/patient-{number // 50:05}/{number:06}.png"
            yield path, cf.FileRef(f"s3://scans/{path}", size=9)

    def peak(count: int) -> int:
        tracemalloc.start()
        assert sum(1 for _ in gather(many(count), [])) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(4_000) < 2 * peak(500) + (1 << 20)
