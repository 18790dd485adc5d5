"""Removing what identifies a patient: what goes, what stays byte for byte, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

import caseferry as cf
from caseferry.case.seal import seal
from caseferry.deidentify import identifying_attributes
from caseferry.imaging.pdf import one_page
from caseferry.imaging.reading import identifying_fields
from caseferry.removal.case import removed_from, without_identity
from caseferry.removal.files import cleaned
from caseferry.removal.removed import Removed
from caseferry.removal.splice import Edit, Spliced

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PHI = Path(__file__).parents[1] / "data" / "phi"
CANARY = "Featherstone^Aurelia"


def clean_bytes(path: Path | str) -> bytes:
    ref = cf.FileRef.of(path)
    return cleaned(ref, identifying_fields(ref)).read()


def read(path: Path | str, content: bytes | None = None) -> Dataset:
    return pydicom.dcmread(path if content is None else io.BytesIO(content), force=True)


def named(path: Path, source: str, **values: Any) -> Path:
    """A file of pydicom's with a patient in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = read(get_testdata_file(source) or "")
        dataset.PatientName, dataset.PatientID = CANARY, "MRN48213907"
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
    return path


# -- bytes ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=60), st.data())
def test_a_spliced_stream_reads_and_seeks_as_the_edited_bytes(content: bytes, draw: st.DataObject) -> None:
    bounds = sorted(draw.draw(st.lists(st.integers(0, len(content)), max_size=6).filter(lambda n: len(n) % 2 == 0)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=True))
    edits = [Edit(start, stop, draw.draw(st.binary(max_size=5))) for start, stop in pairs]
    whole, taken = b"", 0
    for edit in edits:
        whole += content[taken : edit.start] + edit.content
        taken = edit.stop or 0
    whole += content[taken:]
    with io.BufferedReader(Spliced(io.BytesIO(content), edits)) as stream:
        assert stream.read() == whole
        place = draw.draw(st.integers(0, len(whole) + 3))
        assert stream.seek(place) == place
        assert stream.read(7) == whole[place : place + 7]
        assert stream.seek(0, os.SEEK_END) == len(whole)


# -- DICOM ---------------------------------------------------------------------------------------------------------

FILES = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "rtdose.dcm",
    "JPEG2000.dcm",
    "SC_rgb_rle_2frame.dcm",
    "MR_small_RLE.dcm",
    "image_dfl.dcm",
    "rtplan.dcm",
    "reportsi.dcm",
]


@pytest.mark.parametrize("source", FILES)
def test_pixels_syntax_and_all_other_elements_stay(source: str, tmp_path: Path) -> None:
    path = named(tmp_path / "a.dcm", source, OtherPatientNames="Featherstone^A")
    before = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flagged = {name for name in identifying_attributes(read(path)) if "[" not in name}
        content = clean_bytes(path)
        after = read(path, content)
        assert identifying_attributes(after) == ()
    assert after.file_meta == before.file_meta
    assert b"Featherstone" not in content
    assert b"48213907" not in content
    assert after.get("PixelData") == before.get("PixelData")
    for element in before:
        if element.keyword in flagged:
            assert element.tag not in after or not after[element.tag].value
        elif element.VR != "SQ" and not element.tag.is_private and element.tag.group <= 0x7FE0:
            assert after[element.tag].value == element.value
    assert identifying_fields(cleaned(cf.FileRef.of(path), ("PatientName",))) == ()


def test_names_in_sequences_private_elements_and_behind_the_pixels(tmp_path: Path) -> None:
    path = named(tmp_path / "a.dcm", "CT_small.dcm")
    dataset = read(path)
    inner = pydicom.Dataset()
    inner.PersonName, inner.ReferencedSOPInstanceUID = CANARY, "1.2.3"
    dataset.ReferencedImageSequence = Sequence([inner, pydicom.Dataset()])
    other = pydicom.Dataset()
    other.PatientID = "MRN48213907"
    dataset.OtherPatientIDsSequence = Sequence([other])
    block = dataset.private_block(0x0099, "ACME", create=True)
    block.add_new(1, "SQ", Sequence([other, inner]))
    block.add_new(2, "LO", "MRN 48213907")
    block.add_new(3, "LO", "kernel B30f")
    dataset.add_new(0x7FE10010, "LO", "ACME")
    dataset.add_new(0x7FE11001, "LO", CANARY)
    dataset.DataSetTrailingPadding = CANARY.encode()
    dataset.preamble = CANARY.encode().ljust(128, b"\0")
    dataset.save_as(path)
    content = clean_bytes(path)
    after = read(path, content)
    assert b"Featherstone" not in content
    assert b"48213907" not in content
    assert after.PixelData == dataset.PixelData
    assert after.ReferencedImageSequence[0].PersonName == "Removed"
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert len(after.ReferencedImageSequence) == 2
    assert "OtherPatientIDsSequence" not in after
    assert [element.tag.element for element in after.group_dataset(0x0099)] == [0x0010, 0x1001, 0x1003]
    assert after.SOPInstanceUID == dataset.SOPInstanceUID
    assert after.StudyDate == dataset.StudyDate


def test_a_file_that_names_nobody_is_sent_as_it_is() -> None:
    ref = cf.FileRef.of_bytes(b"nothing", "notes.txt")
    assert cleaned(ref, ("x",)) is ref


def test_a_file_of_a_platform_is_cleaned_the_same_way(tmp_path: Path) -> None:
    """It comes as a stream that cannot seek."""
    path = named(tmp_path / "a.dcm", "JPEG2000.dcm")

    class Once(io.RawIOBase):
        def __init__(self) -> None:
            self._stream = path.open("rb")

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._stream.read(size)

        def close(self) -> None:
            self._stream.close()
            super().close()

    ref = cf.FileRef("darwin:1", "a.dcm", path.stat().st_size, opener=Once)
    made = cleaned(ref, ("PatientName",))
    assert made.size is None
    assert made.read() == clean_bytes(path)


# -- other files ---------------------------------------------------------------------------------------------------


def test_nifti_headers_and_extensions(tmp_path: Path) -> None:
    packed = PHI / "phi_in_header_and_extension.nii.gz"
    plain = tmp_path / "a.nii"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    before = nibabel.load(packed)
    for path in (packed, plain):
        content = clean_bytes(path)
        assert content == clean_bytes(path)
        (tmp_path / path.name).with_stem("clean").write_bytes(content)
        inner = gzip.decompress(content) if path is packed else content
        assert len(inner) == plain.stat().st_size
        assert not any(word in inner.lower() for word in (b"wilhelmina", b"0099887766", b"fictional"))
        after = nibabel.Nifti1Image.from_bytes(inner)
        assert np.array_equal(np.asanyarray(after.dataobj), np.asanyarray(before.dataobj))
        assert np.array_equal(after.affine, before.affine)


@pytest.mark.parametrize("value", ["Roe", "Roe^Jane Elisabeth", "R"])
def test_metaimage_and_nrrd_are_still_read_by_itk(value: str, tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for name in ("a.mha", "a.nrrd"):
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing((0.5, 0.7, 2.5))
        image.SetMetaData("PatientName", value)
        image.SetMetaData("Modality", "CT")
        sitk.WriteImage(image, str(tmp_path / name))
        content = clean_bytes(tmp_path / name)
        assert len(content) == (tmp_path / name).stat().st_size
        (tmp_path / f"clean{name}").write_bytes(content)
        before, after = sitk.ReadImage(str(tmp_path / name)), sitk.ReadImage(str(tmp_path / f"clean{name}"))
        assert np.array_equal(sitk.GetArrayFromImage(after), voxels)
        assert after.GetSpacing() == image.GetSpacing()
        assert before.GetMetaData("PatientName") == value
        keys = set(before.GetMetaDataKeys()) - {"PatientName"}
        assert {key: after.GetMetaData(key) for key in keys} == {key: before.GetMetaData(key) for key in keys}
        assert after.GetMetaData("PatientName").strip() in {"removed", "x"}


def test_the_data_file_of_a_header_stays(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8))
    image.SetMetaData("PatientID", "48213907")
    sitk.WriteImage(image, str(tmp_path / "a.mhd"))
    case = cf.Case(id="a", images=[cf.Image("ct", [tmp_path / "a.mhd", tmp_path / "a.raw"])])
    clean = without_identity(seal(case)).images[0]
    assert clean.files[1].location == str(tmp_path / "a.raw")
    assert clean.header.identifying == ()
    assert clean.voxels().min() == 1


@pytest.mark.parametrize("flags", [8, 12], ids=["name", "extra field and name"])
def test_the_name_that_gzip_keeps(flags: int, tmp_path: Path) -> None:
    """Whoever packs a file and renames it then sends its first name, too."""
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)).to_bytes()
    packed = gzip.compress(image, mtime=0)
    extra = b"\2\0xy" if flags & 4 else b""
    path = tmp_path / "case1.nii.gz"
    path.write_bytes(packed[:3] + bytes([flags]) + packed[4:10] + extra + b"Featherstone^Aurelia.nii\0" + packed[10:])
    assert gzip.decompress(path.read_bytes()) == image
    assert identifying_fields(cf.FileRef.of(path)) == ("the name that gzip keeps",)
    content = clean_bytes(path)
    assert b"Featherstone" not in content
    assert gzip.decompress(content) == image
    path.write_bytes(content)
    assert identifying_fields(cf.FileRef.of(path)) == ()


@pytest.mark.parametrize("name", ["exif_phi.jpg", "png_text_phi.png"])
def test_pictures(name: str) -> None:
    content = clean_bytes(PHI / name)
    with Picture.open(io.BytesIO(content)) as after, Picture.open(PHI / name) as before:
        assert np.array_equal(np.asarray(after), np.asarray(before))
        assert dict(after.getexif()) == {}
        assert "PatientName" not in getattr(after, "text", {})
    assert not any(word in content.lower() for word in (b"wilhelmina", b"0099887766", b"fictional"))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_which_side_of_a_picture_is_up_stays_known(name: str, tmp_path: Path) -> None:
    exif = Picture.Exif()
    exif[0x0112], exif[0x010E] = 6, "Roe"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0Featherstone"
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name, exif=exif)
    assert "EXIF UserComment" in identifying_fields(cf.FileRef.of(tmp_path / name))
    content = clean_bytes(tmp_path / name)
    assert b"Featherstone" not in content
    with Picture.open(io.BytesIO(content)) as after:
        assert dict(after.getexif()) == {0x0112: 6}


IPTC = (
    b"Photoshop 3.0\08BIM\4\4\0\0" + struct.pack(">I", 20) + b"\x1c\2\x78" + struct.pack(">H", 15) + b"Featherstone CT"
)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"comment": "Featherstone, second visit"}, "JPEG comment"),
        ({"xmp": b"<x:xmpmeta>Featherstone^Aurelia</x:xmpmeta>"}, "XMP"),
        ({"extra": b"\xff\xed" + struct.pack(">H", len(IPTC) + 2) + IPTC}, "IPTC"),
    ],
)
def test_what_people_write_into_a_jpeg(options: dict[str, Any], what: str, tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.jpg", np.arange(64, dtype=np.uint8).reshape(8, 8)
    Picture.fromarray(pixels).save(path, **options)
    assert b"Featherstone" in path.read_bytes()
    assert identifying_fields(cf.FileRef.of(path)) == (what,)
    content = clean_bytes(path)
    assert b"Featherstone" not in content
    with Picture.open(io.BytesIO(content)) as after, Picture.open(path) as before:
        assert np.array_equal(np.asarray(after), np.asarray(before))
    Picture.fromarray(pixels).save(path, comment="CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90")
    assert identifying_fields(cf.FileRef.of(path)) == ()


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_the_tags_of_a_video(ending: str, tmp_path: Path) -> None:
    """Written by FFmpeg, which reads the frames of what is left, and no tag but its own."""
    path = tmp_path / f"a.{ending}"
    with av.open(str(path), "w") as container:
        container.metadata.update(title="Featherstone", comment="of Aurelia", encoder="x")
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for shade in (10, 90):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), shade, np.uint8), format="rgb24")
            container.mux([*stream.encode(frame)])
        container.mux([*stream.encode()])
    assert {"the video's tag title", "the video's tag comment"} <= set(identifying_fields(cf.FileRef.of(path)))
    content = clean_bytes(path)
    assert len(content) == path.stat().st_size
    assert b"Featherstone" not in content
    assert b"Aurelia" not in content
    (tmp_path / f"clean.{ending}").write_bytes(content)
    with av.open(io.BytesIO(content)) as after, av.open(str(path)) as before:
        assert not {"title", "comment"} & after.metadata.keys()
        for one, other in zip(after.decode(video=0), before.decode(video=0), strict=True):
            assert np.array_equal(one.to_ndarray(), other.to_ndarray())
    assert identifying_fields(cf.FileRef.of(tmp_path / f"clean.{ending}")) == ()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.mha", b"0010|0010 = Featherstone\nComment = scan of Featherstone^Aurelia\n0008|0090 = Featherstone\n"),
        ("a.nrrd", b"# by Featherstone^Aurelia\n0010|0010:=Featherstone\ncontent: Featherstone^Aurelia\n"),
    ],
)
def test_tags_and_comments_in_the_headers_of_volumes(name: str, lines: bytes, tmp_path: Path) -> None:
    """As ITK carries tags of DICOM over, by their numbers."""
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    path = tmp_path / name
    sitk.WriteImage(image, path)
    mark = {"a.mha": b"ElementDataFile", "a.nrrd": b"encoding:"}[name]
    path.write_bytes(path.read_bytes().replace(mark, lines + mark, 1))
    assert len(identifying_fields(cf.FileRef.of(path))) == 3
    content = clean_bytes(path)
    assert b"Featherstone" not in content
    assert len(content) == path.stat().st_size
    path.write_bytes(content)
    assert identifying_fields(cf.FileRef.of(path)) == ()
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(path)).ravel(), np.arange(24))


def test_a_name_that_another_attribute_tells_is_taken_out_of_texts_too(tmp_path: Path) -> None:
    path = named(tmp_path / "a.dcm", "CT_small.dcm", PatientName="", OtherPatientNames="Featherstone^Aurelia")
    with pydicom.dcmread(path) as dataset:
        dataset.StudyDescription = "control of Featherstone"
        block = dataset.private_block(0x0029, "ACME", create=True)
        block.add_new(1, "PN", "Quill^Octavia")
        block.add_new(2, "LO", "Quill")
        dataset.PatientIdentityRemoved = "YES"
        dataset.save_as(path)
    assert "StudyDescription" in identifying_fields(cf.FileRef.of(path))
    content = clean_bytes(path)
    assert b"Featherstone" not in content
    assert b"Quill" not in content


def test_a_pdf_keeps_its_places(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    coded = b"<" + "Roe^Jane".encode("utf-16").hex().encode() + b">"
    info = b"/Info << /Title (Report of patient Roe) /Subject " + coded + b" >> /Size"
    path.write_bytes(one_page("x").replace(b"/Size", info))
    content = clean_bytes(path)
    assert len(content) == path.stat().st_size
    assert b"Roe" not in content
    assert coded not in content
    assert content.startswith(path.read_bytes()[:400])


# -- whole cases ---------------------------------------------------------------------------------------------------


def case_of(path: Path, **fields: Any) -> cf.Case:
    return seal(cf.Case(**{"id": "a", "images": [cf.Image("ct", path)], **fields}))


def test_the_digest_is_that_of_what_is_sent_and_the_same_each_time(tmp_path: Path) -> None:
    case = case_of(named(tmp_path / "a.dcm", "CT_small.dcm"))
    one, other = without_identity(case), without_identity(case)
    ref = one.images[0].files[0]
    assert one == other
    assert cf.FileRef.of_bytes(ref.read(), "a.dcm").sha256 == ref.sha256
    assert ref.sha256 != case.images[0].files[0].sha256
    (removed,) = removed_from(one)
    assert str(removed).startswith("image 'ct': PatientName, PatientID, ")
    assert Removed.from_json(removed.to_json()) == removed
    assert removed_from(case) == ()


def test_names_in_pixels_are_refused_with_the_reason(tmp_path: Path) -> None:
    case = case_of(named(tmp_path / "a.dcm", "CT_small.dcm", BurnedInAnnotation="YES"))
    with pytest.raises(cf.IdentifiableData, match=r"image 'ct': shows a patient in its pixels .* black it out"):
        without_identity(case)


def test_what_a_platform_reads_where_it_lies_is_refused(tmp_path: Path) -> None:
    case = case_of(named(tmp_path / "a.dcm", "CT_small.dcm"))
    with pytest.raises(cf.IdentifiableData, match=r"files\[0\]: holds values in PatientName.* is read where it lies"):
        without_identity(case, lambda _: True)


def test_a_tiff_is_refused(tmp_path: Path) -> None:
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.tif", description="Roe")
    with pytest.raises(cf.IdentifiableData, match="TIFF file, from which nothing is removed; write it anew"):
        without_identity(case_of(tmp_path / "a.tif"))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"id": "featherstone-ct"}, "id"),
        ({"folder": "ward/Aurelia"}, "folder"),
        ({"title": "scan of mrn48213907"}, "title"),
        ({"tags": ["x", "FEATHERSTONE"]}, r"tags\[1\]"),
        ({"metadata": {"who": {"name": ["x", "aurelia"]}}}, r"metadata.who.name\[1\]"),
        ({"values": {"note": "of Featherstone"}}, "values.note"),
        ({"annotations": [cf.Text("ct", label="n", value="Featherstone's nodule")]}, "text "),
    ],
)
def test_names_and_texts_that_repeat_what_was_removed(fields: dict[str, Any], where: str, tmp_path: Path) -> None:
    case = case_of(named(tmp_path / "a.dcm", "CT_small.dcm"), **fields)
    with pytest.raises(cf.IdentifiableData, match=f"{where}.*: repeats what was removed") as refused:
        without_identity(case)
    assert "aurelia" not in str(refused.value).lower().replace("'featherstone-ct'", "")


def test_masks_that_are_added_later(tmp_path: Path) -> None:
    shape = (3, 4, 2)
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), np.eye(4)), tmp_path / "ct.nii")
    mask = nibabel.Nifti1Image(np.ones(shape, np.uint8), np.eye(4))
    mask.header["descrip"] = CANARY.encode()
    nibabel.save(mask, tmp_path / "mask.nii")
    folder = cf.connect(f"local:{tmp_path / 'to'}")
    item = folder.put(cf.Case(id="a", images=[cf.Image("ct", tmp_path / "ct.nii")]))
    folder.annotate(item, [cf.Mask("ct", tmp_path / "mask.nii", labels={1: "x"})], phi="remove")
    (found,) = folder.get("a").case().annotations
    assert isinstance(found, cf.Mask)
    assert b"Featherstone" not in found.file.read()
    assert found.file.size == (tmp_path / "mask.nii").stat().st_size
    assert found.voxels().min() == 1


def test_a_transfer_and_its_verification(tmp_path: Path) -> None:
    from caseferry.transfers.run import transfer
    from caseferry.transfers.verify import verify

    (tmp_path / "from" / "p1").mkdir(parents=True)
    named(tmp_path / "from" / "p1" / "a.dcm", "CT_small.dcm")
    named(tmp_path / "from" / "p1" / "report.dcm", "reportsi.dcm")
    source, target = f"local:{tmp_path / 'from'}", f"local:{tmp_path / 'to'}"
    planned = transfer(source, target, phi="remove", dry_run=True)
    report = transfer(source, target, phi="remove", journal=tmp_path / "j.db")
    assert report.ok
    assert report.removed["PatientName"] == 1
    assert planned.removed == report.removed
    (told,) = report.results()
    assert {each.part for each in told.removed} == {"image 'ct'", "attachment 'report.dcm'"}
    assert "PatientName (1)" in str(report)
    assert "Featherstone" not in f"{report}{report.to_json()}{told}"
    assert transfer(source, target, phi="remove").counts == {cf.Outcome.UNCHANGED: 1}
    sent = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert sent
    assert not any(b"Featherstone" in path.read_bytes() for path in sent)
    assert verify(source, target, phi="remove").ok
    assert not verify(source, target).ok
