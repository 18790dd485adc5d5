"""Files that are fetched several at once: in order, a bounded number, and what fails is told."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import pytest

import caseferry as cf
from caseferry.files.fetching import AHEAD, AT_ONCE, each, fetched_ahead
from oracles import affine_of, ramp, write_series

if TYPE_CHECKING:
    from pathlib import Path


class Line:
    """Files behind a line on which each opening takes its time.

    Attributes
    ----------
    most : how many were under way at once
    opened : names, in the order in which they were opened
    """

    def __init__(self, files: list[tuple[str, bytes]], seconds: float = 0.02, broken: str = "") -> None:
        self.refs = [cf.FileRef(f"far:{name}", name, opener=self._opener(name, content)) for name, content in files]
        self.most = 0
        self.opened: list[str] = []
        self._under_way = 0
        self._lock = threading.Lock()
        self._seconds = seconds
        self._broken = broken

    def _opener(self, name: str, content: bytes):  # type: ignore[no-untyped-def]
        def open_it() -> BinaryIO:
            with self._lock:
                self.opened.append(name)
                self._under_way += 1
                self.most = max(self.most, self._under_way)
            time.sleep(self._seconds)
            with self._lock:
                self._under_way -= 1
            if name == self._broken:
                raise cf.TemporaryFailure("far", "open", f"{name} is not to be had")
            return cast("BinaryIO", io.BytesIO(content))

        return open_it


def named(count: int) -> list[tuple[str, bytes]]:
    return [(f"{number:02}", b"%d" % number) for number in range(count)]


def test_each_file_is_worked_on_side_by_side_and_told_in_order() -> None:
    line = Line(named(30))
    assert each(lambda ref: ref.read(), line.refs) == [content for _, content in named(30)]
    assert 1 < line.most <= AT_ONCE


def test_what_is_at_hand_is_read_one_by_one(tmp_path: Path) -> None:
    refs = []
    for name, content in named(3):
        (tmp_path / name).write_bytes(content)
        refs.append(cf.FileRef.of(tmp_path / name))
    threads = each(lambda _: threading.current_thread(), refs)
    assert set(threads) == {threading.current_thread()}
    assert list(fetched_ahead(refs)) == refs


def test_a_few_are_fetched_ahead_and_no_more() -> None:
    line = Line(named(12), seconds=0.005)
    for turn, ref in enumerate(fetched_ahead(line.refs)):
        time.sleep(0.02)
        assert ref.read() == b"%d" % turn
        assert len(line.opened) <= turn + 1 + AHEAD
    assert len(line.opened) == 12


def test_who_loses_interest_has_nothing_more_fetched() -> None:
    line = Line(named(30))
    files = fetched_ahead(line.refs)
    next(files)
    files.close()  # type: ignore[attr-defined]
    assert len(line.opened) <= 1 + 2 * AHEAD
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("caseferry-fetch")]


@pytest.mark.parametrize("read", [lambda refs: each(lambda ref: ref.read(), refs), lambda refs: [*fetched_ahead(refs)]])
def test_what_cannot_be_fetched_is_told(read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(cf.TemporaryFailure, match="05 is not to be had"):
        read(Line(named(12), broken="05").refs)


def test_a_series_far_away_is_the_series_that_it_is_at_hand(tmp_path: Path) -> None:
    near = cf.Image("ct", write_series(tmp_path, ramp(6, 5, 24), affine_of(np.eye(3), (0.7, 0.8, 2.0), (1, 2, 3))))
    line = Line([(ref.name, ref.read()) for ref in near.files])
    far = cf.Image("ct", line.refs)
    assert far.header == near.header
    assert line.most > 1
    np.testing.assert_array_equal(far.voxels(), near.voxels())
