"""Files that somebody damaged: read as far as they are whole, or refused in one message; never another error."""

from __future__ import annotations

import gzip
import io
import json
import math
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

import caseferry as cf
from caseferry import exchange
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry.testing import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = {
    "dicom-seg": "a.seg.dcm",
    "rtstruct": "a.rtstruct.dcm",
    "slicer": "a.seg.nrrd",
    "label-map": "a.nii.gz",
    "darwin-json": "a.json",
    "coco": "a.coco.json",
}
ODD = (None, -1, 0, 1e308, math.nan, math.inf, "", [], {}, True, 2**63, "1e999", [[]], [None], {"a": []}, 10**9)
LONGEST = 1000


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, cf.Image]:
    samples = Samples(tmp_path_factory.mktemp("images"))
    ct, picture = (samples.image(kind, "i") for kind in (Kind.DICOM_SERIES, Kind.PICTURE))
    return {name: picture if name == "coco" else ct for name in FORMATS}


@pytest.fixture(scope="module")
def whole(images: dict[str, cf.Image], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    found = {}
    for name, file in FORMATS.items():
        image = images[name]
        assert image.geometry is not None
        if name != "coco":
            marks = Samples(folder).annotations(image)
        else:
            pixels = np.arange(np.prod(image.geometry.shape)).reshape(image.geometry.shape) % 2
            marks = [
                cf.Box("i", [(1, 1), (3, 3)], label="b"),
                cf.Polygon("i", [(0, 0), (8, 0), (8, 9)], label="h", author="x"),
                cf.Mask.of_array("i", pixels, {1: "m"}, image.geometry.affine),
            ]
        found[name] = exchange.write(folder / file, marks, image, format=name).content
    return found


def cut_or_changed(content: bytes, chance: Random) -> bytes:
    damaged = bytearray(content)
    if chance.random() < 0.2:
        return bytes(damaged[: chance.randrange(len(damaged))])
    for _ in range(chance.choice([1, 2, 20])):
        place = chance.randrange(min(len(damaged), chance.choice([400, len(damaged)])))
        damaged[place : place + chance.choice([1, 1, 4])] = chance.choice([b"\xff\xff\xff\x7f", b"\0", b"9999", b"-"])
    return bytes(damaged)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything in a document."""
    for key in document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ():
        yield (*path, key)
        yield from places(document[key], (*path, key))


def odd_json(content: bytes, chance: Random) -> bytes:
    document = json.loads(content)
    for _ in range(chance.randint(1, 2)):
        *way, last = chance.choice([*places(document)])
        inside = document
        for key in way:
            inside = inside[key]
        if chance.random() < 0.3:
            del inside[last]
        else:
            inside[last] = json.loads(json.dumps(chance.choice(ODD)))
    return json.dumps(document).encode()


def odd_dicom(content: bytes, chance: Random) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(content))
    elements = [(dataset, element.tag) for element in dataset]
    elements += [(inner, element.tag) for outer, tag in elements for inner in below(outer[tag]) for element in inner]
    for inside, tag in chance.sample(elements, chance.randint(1, 2)):
        if tag in inside:
            element = inside[tag]
            odd = (
                [[], [Dataset()]] if element.VR == "SQ" else [None, "1\\2", "-1"] if element.VR in {"DS", "IS"} else []
            )
            if odd and chance.random() < 0.7:
                element.value = chance.choice(odd)
            else:
                del inside[tag]
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=False)
    return out.getvalue()


def below(element: Any) -> Iterator[Dataset]:
    if element.VR == "SQ":
        for item in list(element.value)[:2]:
            yield item
            for inner in item:
                yield from below(inner)


def refused(ref: FileRef, image: cf.Image, **options: Any) -> str | None:
    """What is said of a file that is not read."""
    try:
        exchange.read(ref, image, **options)
    except cf.CaseferryError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**40))
def test_what_is_damaged_is_read_or_refused(
    name: str, seed: int, images: dict[str, cf.Image], whole: dict[str, bytes]
) -> None:
    chance = Random(seed)
    content = whole[name]
    if name in {"coco", "darwin-json"} and chance.random() < 0.8:
        damaged = odd_json(content, chance)
    elif FORMATS[name].endswith(".dcm") and chance.random() < 0.8:
        damaged = odd_dicom(content, chance)
    elif name == "label-map":
        damaged = gzip.compress(cut_or_changed(gzip.decompress(content), chance), 1)
    else:
        damaged = cut_or_changed(content, chance)
    options: dict[str, Any] = {"labels": {1: "one", 2: "two"}} if name == "label-map" else {}
    with np.errstate(all="ignore"):
        refusal = refused(FileRef.of_bytes(damaged, FORMATS[name]), images[name], format=name, **options)
    assert refusal is None or 0 < len(refusal) < LONGEST


def test_frames_that_are_not_there_are_not_counted(images: dict[str, cf.Image], whole: dict[str, bytes]) -> None:
    """A thousand million of them, all in one place."""
    dataset = pydicom.dcmread(io.BytesIO(whole["dicom-seg"]))
    dataset.NumberOfFrames = 10**9
    first = dataset.PerFrameFunctionalGroupsSequence[0]
    for name in ("PlanePositionSequence", "SegmentIdentificationSequence"):
        setattr(dataset.SharedFunctionalGroupsSequence[0], name, first[name].value)
    del dataset.PerFrameFunctionalGroupsSequence
    out = io.BytesIO()
    dataset.save_as(out)
    said = refused(FileRef.of_bytes(out.getvalue(), "a.dcm"), images["dicom-seg"])
    assert said is not None
    assert "bytes of pixels for 1000000000 frames" in said


def test_what_is_missing_is_named_and_what_a_file_seems_to_be(
    images: dict[str, cf.Image], whole: dict[str, bytes]
) -> None:
    dataset = pydicom.dcmread(io.BytesIO(whole["dicom-seg"]))
    del dataset.PixelData
    out = io.BytesIO()
    dataset.save_as(out)
    said = {
        out.getvalue(): "a.dcm is a damaged DICOM segmentation (without PixelData)",
        whole["rtstruct"][132:]: "looks like DICOM without the 'DICM' prefix",
        b"<html>sign in</html>": "is a web page",
        b"what is this?": "is no annotation file of a known format; those that are read: dicom-seg",
        b"": "is empty",
    }
    for content, words in said.items():
        assert words in str(refused(FileRef.of_bytes(content, "a.dcm"), images["dicom-seg"]))


def test_counts_and_sizes_take_no_memory(images: dict[str, cf.Image], whole: dict[str, bytes]) -> None:
    """A picture that says it is huge, run lengths that never end, lists within lists."""
    document = json.loads(whole["coco"])
    huge = json.loads(json.dumps(document))
    huge["images"][0] |= {"width": 10**9, "height": 10**9}
    parts = json.loads(json.dumps(document))
    parts["annotations"][1]["segmentation"] = [[0, 0, 1e300, 0, 1e300, 1e300], [1, 1, 1e200, 1, 1e200, 1e200]]
    endless = json.loads(json.dumps(document))
    endless["annotations"][2]["segmentation"]["counts"] = [0, 10**15]
    for each in (huge, parts, endless):
        with pytest.raises(cf.InvalidCase):
            exchange.read(FileRef.of_bytes(json.dumps(each).encode(), "a.json"), images["coco"])
    with pytest.raises(cf.CaseferryError, match=r"a\.json is no JSON"):
        exchange.read(FileRef.of_bytes(b'{"images":' + b"[" * 100_000, "a.json"), images["coco"], format="coco")
