"""The patient-data gate: which attributes of a file identify a person.

The gate names attributes and never shows their values. It looks for what names or numbers a patient directly: names
of persons, identifiers, addresses, telephone numbers, birth dates, and text that seems to repeat one of them. It is
no de-identifier. What only narrows a person down passes (dates of the study, ages, institutions and their addresses,
serial numbers of devices, UIDs), and so does what it cannot read: pixels, unless BurnedInAnnotation says YES; the
pages of a PDF; elements that stand behind the pixels of a DICOM file.

A file whose PatientIdentityRemoved (0012,0062) is YES may hold pseudonyms. What its attributes say against that
counts all the same: a name written as family^given in letters alone, or a birth date.

Source
------
DICOM PS3.15 Table E.1-1: the attributes that the Basic Application Level Confidentiality Profile removes, empties or
replaces, of which those that name or number a patient directly are listed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

from caseferry.config import one_of

if TYPE_CHECKING:
    from collections.abc import Iterator


Phi = Literal["refuse", "keep", "remove"]
"""What is done with a case that identifies a patient: it is not sent to another machine; it is sent as it is; or what
identifies the patient is removed from its files on their way, wherever they go."""


PSEUDONYMS = frozenset(
    {
        "AccessionNumber",
        "AdmissionID",
        "FillerOrderNumberImagingServiceRequest",
        "PatientID",
        "PatientName",
        "PlacerOrderNumberImagingServiceRequest",
        "ReferringPhysicianName",
        "ServiceEpisodeID",
    }
)
"""Attributes that a de-identified file may hold as pseudonyms (actions Z and D of the table): they count as
identifying unless PatientIdentityRemoved (0012,0062) is YES."""

IDENTIFIERS = frozenset(
    {
        "AccessionNumber",
        "AdditionalPatientHistory",
        "AdmissionID",
        "BranchOfService",
        "CurrentPatientLocation",
        "FillerOrderNumberImagingServiceRequest",
        "ImageComments",
        "InsurancePlanIdentification",
        "MedicalRecordLocator",
        "MilitaryRank",
        "Occupation",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "PatientAddress",
        "PatientBirthDate",
        "PatientBirthDateInAlternativeCalendar",
        "PatientBirthTime",
        "PatientComments",
        "PatientDeathDateInAlternativeCalendar",
        "PatientID",
        "PatientInstitutionResidence",
        "PatientReligiousPreference",
        "PatientTelecomInformation",
        "PatientTelephoneNumbers",
        "PersonAddress",
        "PersonIdentificationCodeSequence",
        "PersonTelecomInformation",
        "PersonTelephoneNumbers",
        "PlacerOrderNumberImagingServiceRequest",
        "ReferencedPatientPhotoSequence",
        "RegionOfResidence",
        "ResponsibleOrganization",
        "ServiceEpisodeID",
    }
)
"""Attributes that identify a patient whenever they hold a value. Every person name (VR PN) counts besides."""

FREE_TEXT = frozenset({"AdditionalPatientHistory", "ImageComments", "Occupation", "PatientComments"})
"""Attributes that a de-identified file may keep cleaned (option "Clean Descriptors"): in such a file they count only
when their text looks like a name or a number."""

ORIGINALS = frozenset({"OriginalAttributesSequence", "ModifiedAttributesSequence"})
"""What attributes were before somebody changed them: no pseudonyms, whatever the file says of itself."""

OF_PATIENTS = frozenset({"OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "PatientName"})
"""Attributes whose words are a patient's, and are looked for in texts."""

TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "UN"})
"""Value representations in which people write."""

LOOKED_INTO = TEXT_VRS | {"PN", "SQ"}
"""Value representations whose elements may identify somebody whatever they are called."""

NOT_PROSE = PSEUDONYMS | FREE_TEXT | {"CodeMeaning", "CodeValue", "CodingSchemeDesignator", "LongCodeValue"}
"""Text attributes that are judged otherwise, or whose words come from a dictionary."""

_WRITTEN = {
    keyword.lower(): keyword
    for keyword in (*IDENTIFIERS - FREE_TEXT, "PatientName", "OtherPatientNames", "PatientBirthName")
}
"""Attributes by how people write them as keys: in small letters, and without what parts their words."""

_WORDS = re.compile(r"[^\W\d_]{2,}([\s,^]+[^\W\d_]+)+")
"""Several words in letters alone."""

LONGEST_TEXT = 1 << 16
"""Bytes of a text element that are looked at."""

_STAND_IN = (
    r"x{2,}|anon(ym(ous|i[sz]ed|us))?|(de-?)?identified|removed|redacted|deleted|unknown|none|no[ _^]?name|"
    r"not[ _]?available|n/?a|cleared_by_datamint|patient|subject|test|phantom|dummy"
)
PLACEHOLDER = re.compile(
    rf"[\s^=.\-_]*|x|[0.]+|(19|18)000101|({_STAND_IN})([\s^=_-]+({_STAND_IN}))*[\s^=_-]*\d{{0,4}}[\s^=]*", re.IGNORECASE
)
"""Values that stand where a name, a number or a date was, and name nobody: words such as ``anonymous``, ``patient``
or ``test``, alone, together or with a number of up to four digits. With anything else beside them they name somebody:
``ANON^Smith`` does, and so does ``Patient 48213907``."""

_WHOLE_NAME = re.compile(r"[^\W\d_]{2,}\^[^\W\d_]{2,}.*")
"""A name as DICOM writes it, family^given in letters alone; no pseudonym looks like that."""

_HINT = re.compile(
    r"\^|\b(patient|pat_?name|name|mrn|ssn|nhs|dob|born|birth|acc)\b|\b(mrn|acc|ssn)[-_ #:]|\d{4}-\d\d-\d\d|\d{7,}",
    re.IGNORECASE,
)

_PERSONAL = r"\b(mrn|ssn|nhs|phone|tel)\b\W{0,3}\d|[^\W\d_]{2}\^[^\W\d_]{2}|\bpatient('?s)?[ _]?(name|id)\b\W{1,3}\w"
"""A number, a name as DICOM writes it, or what is called a patient's name or id."""

_STRONG_HINT = re.compile(rf"{_PERSONAL}|\b(born|dob)\b\W{{1,3}}\w", re.IGNORECASE)
"""What a text says only when it is about one person; a description of a study or a private element may well hold
long numbers and the word patient."""


def suspicious_text(text: str) -> bool:
    """Whether free text seems to hold a name, a birth date or a number of a patient."""
    return bool(_HINT.search(text))


_NAME_HINT = re.compile(r"(^|[^a-z])(mrn|ssn|dob|pat(ient)?[-_ ]?name)[^a-z]|[^\W\d_]{2}\^[^\W\d_]{2}", re.IGNORECASE)


def suspicious_name(name: str) -> bool:
    """Whether a file's or a case's name is a person's as DICOM writes it, or says that it holds a number or a name."""
    return bool(_NAME_HINT.search(name))


_ONE_PERSON = re.compile(rf"{_PERSONAL}|\b(born|dob)\b\W{{0,3}}(on|in)?\W{{0,3}}\d", re.IGNORECASE)


def about_someone(text: str) -> bool:
    """Whether a text says what is only said of one person: a name as DICOM writes it, a number, a birth date."""
    return bool(_ONE_PERSON.search(text[:LONGEST_TEXT]))


def identifying_key(key: str, value: str) -> bool:
    """Whether an entry of a table, such as metadata, has the name of an attribute that identifies and a value in it.

    What may be a pseudonym counts when it is a name: words in letters alone.

    Parameters
    ----------
    key : as people write it: ``PatientName``, ``patient_birth_date``
    """
    keyword = _WRITTEN.get(re.sub(r"[\W_]", "", key).lower())
    if keyword in PSEUDONYMS:
        return keyword == "PatientName" and names_someone(value) and bool(_WORDS.fullmatch(value.strip()))
    return keyword is not None and names_someone(value)


def identifying_line(key: str, value: str) -> bool:
    """Whether a line of a text header identifies a patient: by an attribute of DICOM as its key, or by what it says.

    Parameters
    ----------
    key : a keyword, or a tag as ITK writes it: ``0010|0010``
    """
    keyword = key
    if tag := re.fullmatch(r"\(?([0-9a-f]{4})[|,_]([0-9a-f]{4})\)?", key, re.IGNORECASE):
        from pydicom.datadict import dictionary_VR, keyword_for_tag

        number = int(tag[1] + tag[2], 16)
        keyword = keyword_for_tag(number)
        if keyword and dictionary_VR(number) == "PN":
            return names_someone(value)
    if keyword in IDENTIFIERS or keyword == "PatientName":
        return names_someone(value)
    return about_someone(value)


def names_someone(value: Any) -> bool:
    """Whether a value, or one of several, is more than a placeholder."""
    many = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    return any(not PLACEHOLDER.fullmatch(str(one).strip()) for one in many if one is not None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a DICOM dataset an identifying value stands.

    Attributes
    ----------
    steps : the sequences in which it lies, from the outside: the tag of each, and the index of the item
    tag : of the attribute
    keyword : of the attribute; empty where the standard has none
    vr : its value representation
    """

    steps: tuple[tuple[Any, int], ...]
    tag: Any
    keyword: str
    vr: str

    @property
    def name(self) -> str:
        """The keyword, or the tag where there is none, with ``[…]`` for the sequences in which it lies."""
        from pydicom.datadict import keyword_for_tag

        tags = [*(tag for tag, _ in self.steps), self.tag]
        return "[…].".join(keyword_for_tag(tag) or f"({tag.group:04x},{tag.element:04x})" for tag in tags)


def identifying_attributes(dataset: Any) -> tuple[str, ...]:
    """The attributes of a DICOM dataset, nested ones too, that hold identifying values.

    Parameters
    ----------
    dataset : a pydicom dataset

    Returns
    -------
    Keywords, or tags where an element has no keyword, with ``[…]`` for sequences they lie in; each once.
    """
    return tuple(dict.fromkeys(place.name for place in identifying_places(dataset)))


def identifying_places(dataset: Any) -> list[Place]:
    """The places of a DICOM dataset, nested ones too, where identifying values stand."""
    removed = str(dataset.get("PatientIdentityRemoved", "") or "").strip().upper() == "YES"
    known = words_of(_value(dataset, "PatientName")) if "PatientName" in dataset and not removed else frozenset[str]()
    found = list(_walk(dataset, (), removed=removed, known=known))
    known_too = known.union(*(words_of(_said(dataset, place)) for place in found if _of_patient(place)))
    return found if known_too == known else list(_walk(dataset, (), removed=removed, known=known_too))


def _of_patient(place: Place) -> bool:
    """Whether a name is a patient's; a private one may well be."""
    return place.keyword in OF_PATIENTS or (place.vr == "PN" and not place.keyword)


def _said(dataset: Any, place: Place) -> Any:
    """The value that stands at a place."""
    for tag, index in place.steps:
        dataset = _value(dataset, tag)[index]
    return _value(dataset, place.tag)


def words_of(name: Any) -> frozenset[str]:
    """The words of a person's name by which it is known again in other texts; none of a placeholder."""
    if not names_someone(name):
        return frozenset()
    return frozenset(word for word in re.split(r"[\W\d_]+", str(name).lower()) if len(word) > 3)


def _walk(dataset: Any, steps: tuple[tuple[Any, int], ...], *, removed: bool, known: frozenset[str]) -> Iterator[Place]:
    """The identifying places below `steps`.

    Parameters
    ----------
    removed : whether the file says of itself that it holds pseudonyms
    known : words of the patient's name
    """
    from pydicom.sequence import Sequence

    for element in sorted(dataset.values(), key=_number):
        tag, keyword = element.tag, _keyword(int(element.tag))
        vr = _vr(dataset, element, keyword)
        if vr not in LOOKED_INTO and keyword not in IDENTIFIERS and keyword != "BurnedInAnnotation":
            continue
        place = Place(steps, tag, keyword, vr)
        if vr == "SQ":
            items = _value(dataset, tag) or ()
            if keyword in IDENTIFIERS and len(items):
                yield place
            for index, item in enumerate(items if isinstance(items, Sequence) else ()):
                inside = removed and keyword not in ORIGINALS
                yield from _walk(item, (*steps, (tag, index)), removed=inside, known=known)
        elif _identifies(dataset, tag, keyword, vr, removed) or _about_someone(dataset, tag, keyword, vr, known):
            yield place


def _number(element: Any) -> int:
    """The tag of an element as a plain number, which compares much faster."""
    return int(element.tag)


@lru_cache(maxsize=4096)
def _keyword(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return str(keyword_for_tag(tag))


def _vr(dataset: Any, element: Any, keyword: str) -> str:
    """The value representation: what the dictionary says of an element that was written as unknown."""
    from pydicom.datadict import dictionary_VR

    written = element.VR
    if written and written != "UN":
        return str(written)
    if keyword:
        return str(dictionary_VR(element.tag))
    try:
        return str(dataset[element.tag].VR)
    except Exception:  # noqa: BLE001  pydicom lets many kinds of error escape from damaged values
        return "UN"


def _value(dataset: Any, tag: Any) -> Any:
    """A value; its bytes when they cannot be read."""
    try:
        return dataset[tag].value
    except Exception:  # noqa: BLE001  as above: what cannot be read is not empty
        return dataset.get_item(tag).value


def _identifies(dataset: Any, tag: Any, keyword: str, vr: str, removed: bool) -> bool:
    """Whether an attribute that is no sequence identifies by being there."""
    if keyword == "BurnedInAnnotation":
        return str(_value(dataset, tag) or "").strip().upper() == "YES"
    if vr != "PN" and keyword not in IDENTIFIERS:
        return False
    if not dataset.get_item(tag).value:
        return False
    value = _value(dataset, tag)
    if removed and keyword in PSEUDONYMS:
        return vr == "PN" and names_someone(value) and bool(_WHOLE_NAME.fullmatch(str(value)))
    if removed and keyword in FREE_TEXT:
        return suspicious_text(str(value))
    return names_someone(value)


def _about_someone(dataset: Any, tag: Any, keyword: str, vr: str, known: frozenset[str]) -> bool:
    """Whether a text speaks of one person, or repeats a word of the patient's name."""
    if vr not in TEXT_VRS or keyword in NOT_PROSE:
        return False
    value = dataset.get_item(tag).value
    if not value:
        return False
    text = value[:LONGEST_TEXT].decode("latin-1") if isinstance(value, bytes) else str(value)[:LONGEST_TEXT]
    if _STRONG_HINT.search(text):
        return True
    return bool(known) and not known.isdisjoint(re.split(r"[\W\d_]+", text.lower()))


def check_phi(phi: Any) -> Phi:
    """The given word for what is done with identifying values.

    Raises
    ------
    ConfigurationError
        It is no such word.
    """
    return cast("Phi", one_of(Phi, phi, "phi"))
