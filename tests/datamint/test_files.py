"""Files on their way to Datamint and back: byte for byte, in constant memory, and nothing said of where they lay."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.imaging.kinds import Kind
from datamint_shapes import drawings
from oracles import PYDICOM

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from datamint_scene import Scene

ODD_FILES = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "image_dfl.dcm",
    "ExplVR_BigEnd.dcm",
    "rtdose_1frame.dcm",
)
"""Among them a deflated one and one with bytes behind its dataset, which the official clients change."""

LARGE = 300 << 20

MEMORY = """
import hashlib, re, sys
from pathlib import Path
import caseferry as cf

def kib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

path, small = sys.argv[1:]
with cf.connect("datamint:sandbox") as project:
    project.get(project.put(cf.Case("small", images=[cf.Image("ct", small)])).id).case().images[0].files[0].read()
    before = kib()
    item = project.put(cf.Case("large", images=[cf.Image("ct", path)]))
    digest = hashlib.sha256()
    with project.get(item.id).case().images[0].files[0].open() as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
print(kib() - before, digest.hexdigest())
"""


def resources(scene: Scene) -> dict[str, dict[str, Any]]:
    """All that stand there, by their file's name."""
    return {row["filename"]: row for row in scene.standin.state["resources"].values()}


def test_dicom_is_sent_and_comes_back_byte_for_byte(scene: Scene) -> None:
    images = [cf.Image(f"image-{n}", PYDICOM / name) for n, name in enumerate(ODD_FILES)]
    item = scene.put(cf.Case("odd", images=images)).item
    sent = {name: hashlib.sha256((PYDICOM / name).read_bytes()).hexdigest() for name in ODD_FILES}
    assert {name: row["blob"] for name, row in resources(scene).items()} == sent
    back = scene.open().get(item.id).case()
    assert [hashlib.sha256(image.files[0].read()).hexdigest() for image in back.images] == list(sent.values())


def test_what_a_case_says_of_itself_does_not_hide_what_the_platform_says(scene: Scene, samples: Samples) -> None:
    said = {"site": "A", "width": "mine", "affine": [], "caseferry": 1}
    item = scene.put(samples.case("told", Kind.NIFTI, metadata=said)).item
    (row,) = resources(scene).values()
    columns = samples.image(Kind.NIFTI).geometry.shape[0]  # type: ignore[union-attr]
    assert (row["metadata"]["site"], len(row["metadata"]["affine"])) == ("A", 4)
    assert row["metadata"].get("width", columns) == columns
    assert scene.open().get(item.id).case().metadata == said


def test_every_body_has_a_length(scene: Scene, samples: Samples) -> None:
    scene.put(samples.full_case("lengths", (Kind.METAIMAGE, Kind.DICOM_SERIES, Kind.PICTURE)))
    uploads = [entry for entry in scene.sandbox.ledger if entry.form]
    assert len(uploads) > 5
    for entry in uploads:
        parts = sum(part["size"] for part in entry.form)
        assert parts < int(entry.headers["content-length"]) < parts + 400 * len(entry.form)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's own memory is read from /proc")
def test_a_large_file_takes_no_memory(scene: Scene, tmp_path: Path) -> None:
    """300 MB up and down; 40 MB is what buffers and connections may take.

    The peak is not asked of `resource`, which counts the process that this one was forked from.
    """
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((512, 512, LARGE // (2 * 512 * 512)))
    header.set_sform(np.eye(4), code=1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = tmp_path / "large.nii"
    with path.open("wb") as stream:
        stream.write(header.binaryblock + b"\0\0\0\0")
        stream.truncate(352 + LARGE)
    small = tmp_path / "small.nii"
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), small)

    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path), str(small)], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    grown, digest = done.stdout.split()
    assert resources(scene)["large.nii"]["size"] == path.stat().st_size
    assert digest == resources(scene)["large.nii"]["blob"]
    assert int(grown) < 40 << 10, f"{int(grown) >> 10} MiB"


def test_nothing_says_where_files_lay(scene: Scene, samples: Samples, tmp_path: Path) -> None:
    private = tmp_path / "Doe John 1970-01-01"
    private.mkdir()
    picture = shutil.copy(samples.image(Kind.PICTURE).files[0].location, private / "a.png")
    volume = shutil.copy(samples.image(Kind.METAIMAGE).files[0].location, private / "b.mha")
    case = cf.Case(
        "quiet",
        images=[cf.Image("photo", picture), cf.Image("ct", volume)],
        annotations=drawings("photo"),
        attachments=[cf.Attachment("notes", cf.FileRef(str(shutil.copy(picture, private / "notes.png"))))],
    )
    scene.put(case)
    asked = scene.sandbox.ledger.dump() + json.dumps(scene.standin.state)
    for word in (str(tmp_path), tmp_path.name, "Doe John", "1970-01-01", "/tmp"):
        assert word not in asked


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (Kind.DICOM_MULTIFRAME, "no-suffix", "application/dicom"),
        (Kind.DICOM_MULTIFRAME, "looks-like.png", "application/dicom"),
        (Kind.NIFTI, "volume.gz", "application/nifti"),
        (Kind.PICTURE, "IM0001", "image/png"),
        (Kind.PDF, "report", "application/pdf"),
        (Kind.VIDEO, "clip", "video/mp4"),
    ],
)
def test_the_type_is_told_from_the_content(
    scene: Scene, samples: Samples, tmp_path: Path, kind: Kind, name: str, expected: str
) -> None:
    path = shutil.copy(samples.image(kind).files[0].location, tmp_path / name)
    scene.put(cf.Case("typed", images=[cf.Image("it", path)]))
    (upload,) = [entry for entry in scene.sandbox.ledger if entry.path == "/resources" and entry.form]
    parts = {part["name"]: part for part in upload.form}
    assert parts["resource"]["content_type"] == expected
    assert parts["mimetype"]["value"] == expected
    assert resources(scene)[name]["mimetype"] == expected


@pytest.mark.parametrize("name", ['Ünï (95) "q" 日本.png', "a;b=c'd.png", "100%25.png", "x\u202e.png"])
def test_file_names_come_back_whatever_they_hold(scene: Scene, samples: Samples, tmp_path: Path, name: str) -> None:
    path = shutil.copy(samples.image(Kind.PICTURE).files[0].location, tmp_path / name)
    item = scene.put(cf.Case("named", images=[cf.Image("it", path)])).item
    assert list(resources(scene)) == [name]
    assert scene.open().get(item.id).case().images[0].files[0].name == name


def test_a_volume_that_is_converted_has_the_same_voxels(scene: Scene, samples: Samples) -> None:
    """What the platform does not show becomes NIfTI, as nibabel reads it."""
    image = samples.image(Kind.METAIMAGE)
    scene.put(cf.Case("converted", images=[image]))
    (row,) = resources(scene).values()
    stored = nib.Nifti1Image.from_bytes(gzip.decompress(scene.standin.blob(row["blob"]).read()))
    assert image.geometry is not None
    np.testing.assert_array_equal(np.asarray(stored.dataobj), image.voxels())
    np.testing.assert_allclose(stored.affine, np.diag([-1, -1, 1, 1]) @ image.geometry.affine, atol=1e-4)


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)


@given(tags=st.lists(NAMES.filter(str.strip), max_size=4, unique=True))
@example(tags=["a,b", " a", "a", "caseferry:x", "A"])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tags_come_back_whatever_they_hold(scene: Scene, samples: Samples, tags: list[str]) -> None:
    """The wire joins tags with commas and strips them: one that this would change is kept beside, as the plan says."""
    case = cf.Case(f"case {len(scene.sandbox.ledger)}", images=[samples.image(Kind.PICTURE)], tags=tags)
    with scene.open() as dataset:
        plan = dataset.plan(case)
        item = dataset.put(case)
        assert sorted(dataset.get(item.id).case().tags) == sorted(case.tags)
    said = [loss.part for loss in plan.losses if loss.part.startswith("tag")]
    kept = [tag for tag in case.tags if "," in tag or tag != tag.strip() or tag.startswith("caseferry:")]
    assert len(said) == len(kept)
    own = set(scene.standin.state["resources"][item.id]["tags"])
    assert set(case.tags) - set(kept) == {tag for tag in own if not tag.startswith("caseferry:")}
