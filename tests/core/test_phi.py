"""The patient-data gate: what it stops, what it lets pass, and that it never says a value."""

from __future__ import annotations

import json
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

import caseferry as cf
from caseferry.case.seal import identifying, refuse_identifying, seal
from caseferry.deidentify import (
    IDENTIFIERS,
    PSEUDONYMS,
    identifying_attributes,
    names_someone,
    suspicious_name,
    suspicious_text,
)
from caseferry.imaging.pdf import one_page
from caseferry.imaging.reading import read_header
from caseferry.testing.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable

PHI = Path(__file__).parents[1] / "data" / "phi"
CT = PHI / "Fictional_Wilhelmina_MRN-0099887766_CT.dcm"
INVENTED = ("wilhelmina", "fictional", "0099887766", "000-12-3456", "atlantis", "imaginary", "acc-fake", "1941")


def dataset(**values: Any) -> Dataset:
    """A dataset of a few attributes."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def silent_on_values(text: str) -> bool:
    """Whether a message holds nothing of the invented patient."""
    return not any(word in text.lower() for word in INVENTED)


# -- DICOM ---------------------------------------------------------------------------------------------------------


def test_a_ct_full_of_invented_identifiers_is_named_attribute_by_attribute() -> None:
    found = read_header([cf.FileRef.of(CT)]).identifying
    assert set(found) == {
        "AccessionNumber",
        "ReferringPhysicianName",
        "StudyDescription",
        "SeriesDescription",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "OtherPatientIDsSequence[…].PatientID",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "ImageComments",
        "BurnedInAnnotation",
        "(0099,1001)",
        "(0099,1002)",
    }
    assert silent_on_values(" ".join(found))


def test_the_refusal_names_the_tags_and_the_file_name_and_no_value(tmp_path: Path) -> None:
    case = seal(cf.Case(id="a", images=[cf.Image("ct", CT)]))
    with pytest.raises(cf.IdentifiableData) as caught:
        refuse_identifying(case)
    text = str(caught.value)
    assert silent_on_values(text)
    assert silent_on_values(repr(caught.value))
    assert "image 'ct': holds values in AccessionNumber, " in text
    assert "image 'ct'.files[0]: the file name: seems to hold a patient's number or name; rename it" in text
    assert "say phi='remove' to send the files without them, or phi='keep' if they may be sent" in text


@pytest.mark.parametrize("path", sorted(get_charset_files("*.dcm")), ids=lambda path: Path(path).stem)
def test_names_in_every_character_set(path: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pydicom.dcmread(path)
        found = identifying_attributes(read)
    assert any(name.endswith("PatientName") for name in found)
    for element in read.iterall():
        if element.VR == "PN" and names_someone(element.value):
            assert element.keyword in {name.rsplit(".", 1)[-1] for name in found}
            assert str(element.value) not in " ".join(found)


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientMotherBirthName",
        "PatientBirthName",
        "OtherPatientNames",
        "ResponsiblePerson",
        "PerformingPhysicianName",
        "OperatorsName",
        "NameOfPhysiciansReadingStudy",
        "RequestingPhysician",
        "ContentCreatorName",
        "ScheduledPerformingPhysicianName",
        "VerifyingObserverName",
        "PersonName",
        "ReviewerName",
    ],
)
@pytest.mark.parametrize("removed", ["NO", "YES"])
def test_every_person_name_counts_and_only_two_may_be_pseudonyms(keyword: str, removed: str) -> None:
    assert identifying_attributes(dataset(PatientIdentityRemoved=removed, **{keyword: "Roe^Jane"})) == (keyword,)


TEXTS = sorted(each for each in IDENTIFIERS if not each.endswith("Sequence"))


@pytest.mark.parametrize("keyword", TEXTS)
def test_every_identifier_counts_when_it_holds_a_value(keyword: str) -> None:
    vr = pydicom.datadict.dictionary_VR(keyword)
    value = {"DA": "19410211", "TM": "071530"}.get(vr, "48213907-B")
    assert identifying_attributes(dataset(**{keyword: value})) == (keyword,)
    assert identifying_attributes(dataset(**{keyword: ""})) == ()


@pytest.mark.parametrize("keyword", sorted(each for each in IDENTIFIERS if each.endswith("Sequence")))
def test_an_identifying_sequence_counts_by_its_items(keyword: str) -> None:
    assert identifying_attributes(dataset(**{keyword: [dataset(CodeValue="1")]})) == (keyword,)
    assert identifying_attributes(dataset(**{keyword: []})) == ()


def test_identifiers_are_attributes_of_the_standard() -> None:
    for keyword in IDENTIFIERS | PSEUDONYMS:
        assert pydicom.datadict.tag_for_keyword(keyword) is not None, keyword


def test_what_only_narrows_a_person_down_passes() -> None:
    passing = dataset(
        StudyDate="20240119",
        SeriesDate="20240119",
        StudyTime="072730",
        InstitutionName="Hospital of Nowhere",
        InstitutionAddress="1 Some Street",
        StationName="CT01",
        DeviceSerialNumber="SN-1234567",
        PatientAge="062Y",
        PatientSex="F",
        PatientWeight="70",
        StudyID="1CT1",
        StudyDescription="CT thorax, 2024-01-19, protocol 12345678",
        StudyInstanceUID="1.2.3.4",
    )
    assert identifying_attributes(passing) == ()


@pytest.mark.parametrize("name", ["LIDC-IDRI-0001", "ProstateX-0201", "STS_004", "C3L-00277", "anon42", "1.3.6.1.4.1"])
def test_a_pseudonym_passes_where_the_file_says_that_identities_were_removed(name: str) -> None:
    values = {"PatientName": name, "PatientID": name, "AccessionNumber": "2819497684894126", "Modality": "CT"}
    assert identifying_attributes(dataset(PatientIdentityRemoved="YES", **values)) == ()
    marked = identifying_attributes(dataset(**values))
    assert "AccessionNumber" in marked


def test_a_removal_that_the_attributes_deny_is_not_believed() -> None:
    assert identifying_attributes(dataset(PatientIdentityRemoved="YES", PatientName="Roe^Jane")) == ("PatientName",)
    assert identifying_attributes(dataset(PatientIdentityRemoved="YES", PatientName="Müller^Jörg^^Dr")) == (
        "PatientName",
    )
    assert identifying_attributes(dataset(PatientIdentityRemoved="YES", PatientBirthDate="19410211")) == (
        "PatientBirthDate",
    )
    assert identifying_attributes(dataset(PatientIdentityRemoved="YES", PatientName="Anonymous^Patient")) == ()


def test_attributes_before_a_removal_are_no_pseudonyms() -> None:
    before = dataset(ModifiedAttributesSequence=[dataset(PatientName="Roe", PatientID="48213907")])
    found = identifying_attributes(
        dataset(PatientIdentityRemoved="YES", PatientID="P-1", OriginalAttributesSequence=[before])
    )
    place = "OriginalAttributesSequence[…].ModifiedAttributesSequence[…]"
    assert found == (f"{place}.PatientName", f"{place}.PatientID")


def test_nested_sequences_are_walked_to_the_bottom() -> None:
    deep = dataset(PersonName="Roe^Jane")
    for _ in range(6):
        deep = dataset(ContentSequence=[dataset(), deep])
    assert identifying_attributes(deep) == ("ContentSequence[…]." * 6 + "PersonName",)


def test_private_sequences_and_names_in_private_elements() -> None:
    made = dataset()
    block = made.private_block(0x0099, "ACME", create=True)
    block.add_new(1, "SQ", Sequence([dataset(PatientName="Roe^Jane")]))
    block.add_new(2, "PN", "Roe^Jane")
    block.add_new(3, "LO", "Roe^Jane came in")
    block.add_new(4, "UT", "kernel B30f, table 12345678")
    block.add_new(5, "UN", b"patient name: Roe")
    found = identifying_attributes(made)
    assert found == ("(0099,1001)[…].PatientName", "(0099,1002)", "(0099,1003)", "(0099,1005)")


def test_elements_written_as_unknown_are_read_as_what_the_dictionary_says() -> None:
    made = Dataset()
    inner = dataset(OperatorsName="Roe^Jane")
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    pydicom.filewriter.write_sequence(buffer, pydicom.DataElement(0x00081110, "SQ", Sequence([inner])), ["ascii"])
    value = buffer.getvalue()
    made._dict[Tag(0x00081110)] = RawDataElement(Tag(0x00081110), "UN", len(value), value, 0, False, True)
    made._dict[Tag(0x00081070)] = RawDataElement(Tag(0x00081070), "UN", 8, b"Roe^Jane", 0, False, True)
    assert identifying_attributes(made) == ("OperatorsName", "ReferencedStudySequence[…].OperatorsName")


def test_a_value_that_cannot_be_read_is_not_taken_for_empty() -> None:
    made = Dataset()
    made._dict[Tag(0x00101002)] = RawDataElement(Tag(0x00101002), "SQ", 4, b"\xfe\xff\x01\x02", 0, False, True)
    made._dict[Tag(0x00100030)] = RawDataElement(Tag(0x00100030), "DA", 6, b"\xff\xfe\xfd\x01\x02 ", 0, False, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "PatientBirthDate" in identifying_attributes(made)


def test_text_that_repeats_the_patients_name_is_named_too() -> None:
    made = dataset(PatientName="Featherstone^Aurelia", StudyDescription="CT of AURELIA", SeriesDescription="Thorax")
    assert identifying_attributes(made) == ("StudyDescription", "PatientName")


def test_comments_of_a_de_identified_file_pass_unless_they_look_like_a_person() -> None:
    assert identifying_attributes(dataset(PatientIdentityRemoved="YES", ImageComments="motion artefacts")) == ()
    for text in ("Roe^Jane", "MRN 123", "born 1941-02-11", "48213907"):
        assert identifying_attributes(dataset(PatientIdentityRemoved="YES", ImageComments=text)) == ("ImageComments",)
    assert identifying_attributes(dataset(ImageComments="motion artefacts")) == ("ImageComments",)


def test_pixels_that_say_they_carry_names_count() -> None:
    assert identifying_attributes(dataset(BurnedInAnnotation="YES", PatientIdentityRemoved="YES")) == (
        "BurnedInAnnotation",
    )
    assert identifying_attributes(dataset(BurnedInAnnotation="NO")) == ()


PLACEHOLDERS = [
    "",
    "^^^^",
    "X",
    "xxxx",
    "0000",
    "Anonymous",
    "ANON",
    "anonymized",
    "Anonymised^Patient",
    "ANON_0012",
    "de-identified",
    "Removed",
    "no name",
    "NoName^",
    "n/a",
    "Unknown",
    "Test",
    "Test^Patient",
    "Patient 12",
    "phantom1",
    "subject_0042",
    "CLEARED_BY_DATAMINT",
    "19000101",
    "00000000",
]
NAMES = [
    "ANON^Smith",
    "AnonSmith",
    "anon_smith",
    "Smith",
    "Roe^Jane",
    "Patient^Smith",
    "Patient 48213907",
    "Testa^Maria",
    "Nonesuch",
    "48213907",
    "Unknown Jane",
    "Removed by Smith",
    "Xavier",
    "Subjectson",
    "山田^太郎",
    "19410211",
    "test@hospital.org",
]


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_placeholders_name_nobody(value: str) -> None:
    assert not names_someone(value)


@pytest.mark.parametrize("value", NAMES)
def test_names_beside_placeholders_are_names(value: str) -> None:
    assert names_someone(value)
    assert identifying_attributes(dataset(PatientName=value)) == ("PatientName",)


def test_one_name_among_placeholders_is_enough() -> None:
    assert names_someone(["", "anonymous", "Smith"])
    assert not names_someone(["", None, "anonymous"])


@given(st.text(st.characters(categories=["Lu", "Ll"]), min_size=2, max_size=12))
def test_a_family_name_and_a_given_name_are_never_a_placeholder_unless_both_are(word: str) -> None:
    assert names_someone(f"Featherstone^{word}")
    assert names_someone(f"{word}^Featherstone")


# -- other kinds of files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("exif_phi.jpg", {"EXIF ImageDescription", "EXIF Artist"}),
        ("png_text_phi.png", {"PNG text 'PatientName'", "PNG text 'Comment'"}),
        ("phi_in_header_and_extension.nii.gz", {"descrip", "aux_file", "db_name", "header extension 6"}),
    ],
)
def test_headers_of_other_files(name: str, fields: set[str]) -> None:
    found = read_header([cf.FileRef.of(PHI / name)]).identifying
    assert set(found) == fields
    assert silent_on_values(" ".join(found))


@pytest.mark.parametrize("name", ["PatientName", "PatientID", "PatientBirthDate"])
def test_metaimage_and_nrrd_fields(name: str, tmp_path: Path) -> None:
    mha = tmp_path / "a.mha"
    head = "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
    mha.write_bytes(f"{head}{name} = Roe\nElementDataFile = LOCAL\n".encode() + bytes(8))
    assert read_header([cf.FileRef.of(mha)]).identifying == (name,)
    mha.write_bytes(f"{head}{name} = anonymous\nElementDataFile = LOCAL\n".encode() + bytes(8))
    assert read_header([cf.FileRef.of(mha)]).identifying == ()
    nrrd = tmp_path / "a.nrrd"
    nrrd.write_bytes(
        f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n{name}:=Roe\n\n".encode() + bytes(8)
    )
    assert read_header([cf.FileRef.of(nrrd)]).identifying == (name,)


@pytest.mark.parametrize(
    ("title", "found"),
    [
        (b"(Report of patient Roe)", ("PDF Title",)),
        (b"(MRN-0099887766)", ("PDF Title",)),
        (b"<" + "Roe^Jane".encode("utf-16").hex().encode() + b">", ("PDF Title",)),
        (b"(Lung protocol)", ()),
        (b"(a \\) b)", ()),
    ],
)
def test_what_a_pdf_says_of_itself(title: bytes, found: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(one_page("x").replace(b"/Size", b"/Info << /Title " + title + b" >> /Size"))
    assert read_header([cf.FileRef.of(path)]).identifying == found


def with_exif(path: Path) -> None:
    exif = Picture.Exif()
    exif[0x010E] = "Roe"
    exif.get_ifd(0x8825)[1] = "N"
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(path, exif=exif)


def with_text(path: Path) -> None:
    text = PngInfo()
    text.add_itxt("Kommentar", "Roe")
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(path, pnginfo=text)


@pytest.mark.parametrize(
    ("write", "name", "found"),
    [
        (with_exif, "a.jpg", {"EXIF ImageDescription", "EXIF GPSInfo"}),
        (with_text, "a.png", {"PNG text 'Kommentar'"}),
    ],
)
def test_pictures(write: Callable[[Path], None], name: str, found: set[str], tmp_path: Path) -> None:
    write(tmp_path / name)
    assert set(read_header([cf.FileRef.of(tmp_path / name)]).identifying) == found


# -- whole cases ---------------------------------------------------------------------------------------------------


def test_attachments_are_looked_into_like_images(tmp_path: Path) -> None:
    structures = tmp_path / "structures.dcm"
    structures.write_bytes(Path(str(get_testdata_file("rtplan.dcm"))).read_bytes())
    text = tmp_path / "notes.txt"
    text.write_text("nothing")
    case = cf.Case(
        id="a",
        attachments=[
            cf.Attachment("plan", structures),
            cf.Attachment("photo", PHI / "exif_phi.jpg"),
            cf.Attachment("notes", text),
        ],
    )
    problems = {problem.where: problem.what for problem in identifying(seal(case))}
    assert set(problems) == {"attachment 'plan'", "attachment 'photo'"}
    assert "PatientName" in problems["attachment 'plan'"]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"id": "MRN-48213907"}, "id"),
        ({"id": "a", "title": "patient_name Roe"}, "title"),
        ({"id": "a", "folder": "ward/DOB_1941"}, "folder"),
    ],
)
def test_names_of_a_case_that_say_what_they_hold(fields: dict[str, Any], where: str) -> None:
    assert [problem.where for problem in identifying(seal(cf.Case(**fields)))] == [where]


def test_ordinary_names_pass() -> None:
    for name in ("ct.nii.gz", "LIDC-0001", "1-01.dcm", "patient-001.nii", "formrn.txt", "dobermann.png", "series 7"):
        assert not suspicious_name(name), name
    for name in ("x_MRN-1.dcm", "MRN 12", "SSN_000.txt", "patient_name=Roe.dcm", "DOB-1941.nii"):
        assert suspicious_name(name), name


def test_ordinary_header_texts_pass() -> None:
    for text in ("", "FSL5.0", "TE=2.9;Time=104254.000;phase=1", "SimpleITK 2.4"):
        assert not suspicious_text(text), text


def test_the_samples_of_the_contract_identify_nobody(tmp_path: Path) -> None:
    samples = Samples(tmp_path)
    images = [samples.image(kind) for kind in cf.Kind if kind is not cf.Kind.VIDEO]
    assert identifying(seal(cf.Case(id="a", images=images))) == []


def test_no_local_path_is_in_what_describes_a_case_to_a_platform(tmp_path: Path) -> None:
    from caseferry.sidecar import Native, build

    folder = tmp_path / "Roe, Jane (48213907)"
    folder.mkdir()
    image = Samples(folder).image(cf.Kind.NIFTI, "ct")
    report = folder / "report.txt"
    report.write_text("x")
    case = seal(cf.Case(id="a", images=[image], attachments=[cf.Attachment("report", report)]))
    for native in (Native(), Native(images={"ct": "1"}, attachments={"report": "2"})):
        document, _ = build(case, native, 1 << 20)
        assert not re.search("Roe|48213907", json.dumps(document))


# -- what a case says itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"id": "Roe^Jane"}, "id: seems to hold"),
        ({"annotations": [cf.Label(None, "Roe^Jane")]}, "the label of label .*: seems to hold"),
        ({"tags": ["train", "Roe^Jane"]}, r"tags\[1\]: seems to hold"),
        ({"metadata": {"PatientName": "Jane Roe"}}, "metadata.PatientName: seems to tell"),
        ({"metadata": {"source": [{"patient_birth_date": "19410211"}]}}, r"metadata.source\[0\].patient_birth_date"),
        ({"values": {"note": "patient name: Jane"}}, "values.note: seems to tell"),
        ({"annotations": [cf.Text(None, "note", "born on 11 Feb 1941")]}, "text .*: seems to tell"),
        ({"annotations": [cf.Label(None, "x", attributes={"of": "Roe^Jane"})]}, r"label .*\.attributes\.of: seems"),
    ],
)
def test_names_and_texts_of_a_case(fields: dict[str, Any], where: str) -> None:
    case = cf.Case(**{"id": "a", "values": {"n": 1}, **fields})
    with pytest.raises(cf.IdentifiableData, match=where) as caught:
        refuse_identifying(seal(case))
    said = " ".join(str(problem) for problem in caught.value.problems)
    assert "Roe" not in said
    assert "Jane" not in said


def test_texts_that_name_nobody_pass() -> None:
    case = cf.Case(
        "a",
        metadata={"PatientName": "LIDC-0001", "PatientID": "17", "birth": "preterm", "patient": {"Age": 3}},
        values={"note": "new-born heart, 3^2 mm, tel aviv protocol", "AccessionNumber": "A-1"},
        annotations=[cf.Text(None, "note", "the patient moved; see the name of series 12345678")],
        tags=["x^2"],
    )
    refuse_identifying(seal(case))


def test_long_words_are_judged_at_once() -> None:
    """A text of one word, as encoded bytes are, is looked through once and not from each of its letters anew."""
    start = time.perf_counter()
    refuse_identifying(seal(cf.Case("a", metadata={"encoded": "x" * 65_536})))
    assert time.perf_counter() - start < 5
    with pytest.raises(cf.IdentifiableData):
        refuse_identifying(seal(cf.Case("a", metadata={"encoded": "x" * 60_000 + "Roe^Jane"})))
