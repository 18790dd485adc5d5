"""What a format has no place for is kept in the file all the same, and every program that reads it finds its own."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import caseferry as cf
from caseferry import exchange
from caseferry.annotation import Code
from caseferry.case.compare import same_meaning
from caseferry.exchange.dicom_seg import read_segmentation, write_segmentation
from caseferry.exchange.keeping import CREATOR, GROUP, KEPT
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry.testing import Samples
from strategies import SAID, WORD

if TYPE_CHECKING:
    from pathlib import Path

KEEPABLE = st.fixed_dictionaries(
    {},
    optional=SAID
    | {
        "id": WORD,
        "model": WORD.filter(lambda text: text.isprintable() and "\\" not in text and text.strip()),
        "codes": st.lists(st.builds(Code, st.just("4147007"), st.just("SCT"), st.just("Mass")), max_size=4).map(tuple),
    },
)
FULL: dict[str, Any] = {
    "reviewer": "second@example.org",
    "created": dt.datetime(2024, 2, 29, 13, 45, 6, 123457, tzinfo=dt.timezone(dt.timedelta(hours=-3.5))),
    "modified": dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
    "status": "rejected",
    "source": "imported",
    "confidence": 0.1,
    "attributes": {"grade": {"of": [1, None, "ü"]}},
}
COMES_BACK = {
    "dicom-seg": {"mask"},
    "slicer": {"mask"},
    "rtstruct": {"point", "line", "polyline", "polygon"},
}
"""What comes back from a format as the same kind."""


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> cf.Image:
    """Four oblique slices of 7 by 5 pixels, whose headers do not say how thick they are."""
    return Samples(tmp_path_factory.mktemp("ct")).image(Kind.DICOM_SERIES, "ct")


def marks(image: cf.Image, folder: Path) -> list[cf.Annotation]:
    """One of each kind; a mask of a single structure, since several become several masks."""
    found = [each for each in Samples(folder).annotations(image) if not isinstance(each, cf.Mask)]
    assert image.geometry is not None
    voxels = np.zeros(image.geometry.shape, np.uint8)
    voxels[1:6, 0:4, 1] = voxels[3, 3, 2] = 1
    return [*found, cf.Mask.of_array("ct", voxels, {1: "spot"}, image.geometry.affine)]


@pytest.mark.parametrize("name", COMES_BACK)
@settings(max_examples=5)
@given(said=st.lists(KEEPABLE, min_size=1, max_size=4))
def test_everything_that_is_said_comes_back(
    name: str, said: list[dict[str, Any]], ct: cf.Image, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    put = []
    for number, each in enumerate(marks(ct, folder)):
        own = said[number % len(said)]
        put.append(replace(each, **{**own, "id": f"{number} {own.get('id', '')}"}))
    written = exchange.write(folder / "file", put, ct, format=name)
    left = [each.id for each, _ in written.left_out]
    told = {each.id for each, _ in written.changed}
    back = {each.id: each for each in exchange.read(folder / "file", ct, format=name)}
    assert ct.geometry is not None
    for each in put:
        if each.kind in COMES_BACK[name]:
            assert each.id not in {*left, *told}
            theirs = back[each.id]
            assert {key: getattr(theirs, key) for key in KEPT} == {key: getattr(each, key) for key in KEPT}
            if isinstance(each, cf.Polygon):  # a hole may go around the other way
                mine, others = (sorted(np.round(shape.points, 6).tolist()) for shape in (each, theirs))  # type: ignore[attr-defined]
                np.testing.assert_allclose(others, mine, atol=1e-5)
            else:
                assert same_meaning(each, theirs, ct.geometry)
            assert isinstance(each, cf.Mask) or theirs.frame == each.frame
        else:
            assert each.id in {*left, *told}


def test_other_programs_find_nothing_of_it(ct: cf.Image, tmp_path: Path) -> None:
    """By pydicom: contours and segments hold one private block, and are whole without it."""
    for name in ("dicom-seg", "rtstruct"):
        written = exchange.write(
            tmp_path / "a.dcm", [replace(each, **FULL) for each in marks(ct, tmp_path)], ct, format=name
        )
        dataset = pydicom.dcmread(io.BytesIO(written.content))
        assert not any(element.tag.is_private for element in dataset)
        dataset.remove_private_tags()
        out = io.BytesIO()
        dataset.save_as(out)
        bare = exchange.read(FileRef.of_bytes(out.getvalue(), "bare.dcm"), ct)
        whole = exchange.read(tmp_path / "a.dcm", ct)
        assert {each.kind for each in bare} == {each.kind for each in whole}
        assert all(each.reviewer is None for each in bare)
        assert any(each.reviewer for each in whole)


def test_damaged_fields_are_named(ct: cf.Image, tmp_path: Path) -> None:
    (mask,) = (replace(each, id="one") for each in marks(ct, tmp_path) if isinstance(each, cf.Mask))
    dataset = pydicom.dcmread(io.BytesIO(exchange.write(tmp_path / "a.dcm", [mask], ct, format="dicom-seg").content))
    for text in ("{", "[]", '{"confidence": "much"}', '{"created": 5}', '{"codes": [1]}', "[" * 100_000):
        dataset.SegmentSequence[0].private_block(GROUP, CREATOR)[1].value = text
        out = io.BytesIO()
        dataset.save_as(out)
        with pytest.raises(cf.CaseferryError, match=r"bad\.dcm holds damaged fields"):
            exchange.read(FileRef.of_bytes(out.getvalue(), "bad.dcm"), ct)
    exchange.write(tmp_path / "a.seg.nrrd", [mask], ct)
    content = (tmp_path / "a.seg.nrrd").read_bytes()
    (packed,) = re.findall(rb"caseferry:([A-Za-z0-9+/=]+)\|", content)
    assert json.loads(base64.b64decode(packed)) == {"id": "one"}
    (tmp_path / "a.seg.nrrd").write_bytes(content.replace(packed, b"x" + packed[1:]))
    with pytest.raises(cf.CaseferryError, match=r"a\.seg\.nrrd holds damaged fields"):
        exchange.read(tmp_path / "a.seg.nrrd", ct)


@settings(max_examples=10)
@given(arrays(np.bool_, (7, 5, 4)), arrays(np.bool_, (7, 5, 4)))
def test_segments_whose_frames_begin_within_a_byte(ct: cf.Image, one: Any, other: Any) -> None:
    """35 pixels to a frame; by highdicom, the same voxels."""
    assert ct.geometry is not None
    volumes = [np.asarray(each, np.uint8) for each in (one, other)]
    masks = [(cf.Mask.of_array("ct", each, {1: f"s{n}"}, ct.geometry.affine), each) for n, each in enumerate(volumes)]
    content = write_segmentation(masks, ct)
    back = list(read_segmentation(FileRef.of_bytes(content, "a.dcm"), ct))
    for each, volume in zip(back, volumes, strict=True):
        np.testing.assert_array_equal(each.voxels(), volume)  # type: ignore[attr-defined]
    if any(each.any() for each in volumes):
        theirs = highdicom.seg.Segmentation.from_dataset(pydicom.dcmread(io.BytesIO(content)))
        sources = [pydicom.dcmread(ct.files[file].path).SOPInstanceUID for file, _ in ct.layout]
        pixels = theirs.get_pixels_by_source_instance(
            sources, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
        )
        for number, volume in enumerate(volumes):
            np.testing.assert_array_equal(pixels[..., number].transpose(2, 1, 0), volume)
