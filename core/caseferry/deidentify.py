"""The patient-data gate: which attributes of a file identify a person.

The gate names attributes and never shows their values. It looks for direct identifiers; it is not a de-identifier,
and a file that passes may still hold dates, descriptions, private elements or pixels that need care.

Source
------
DICOM PS3.15 Table E.1-1: the attributes that the Basic Application Level Confidentiality Profile removes, empties or
replaces, of which those that name or number a patient directly are listed here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PSEUDONYMS = frozenset({"PatientName", "PatientID", "AccessionNumber", "ReferringPhysicianName"})
"""Attributes that a de-identified file may hold as pseudonyms (actions Z and D of the table): they count as
identifying unless PatientIdentityRemoved (0012,0062) is YES."""

IDENTIFIERS = frozenset(
    {
        "AccessionNumber",
        "AdditionalPatientHistory",
        "BranchOfService",
        "CurrentPatientLocation",
        "ImageComments",
        "InsurancePlanIdentification",
        "MedicalRecordLocator",
        "MilitaryRank",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "PatientAddress",
        "PatientBirthDate",
        "PatientBirthDateInAlternativeCalendar",
        "PatientBirthTime",
        "PatientComments",
        "PatientID",
        "PatientInstitutionResidence",
        "PatientTelecomInformation",
        "PatientTelephoneNumbers",
        "PersonAddress",
        "PersonTelecomInformation",
        "PersonTelephoneNumbers",
        "ReferencedPatientPhotoSequence",
        "RegionOfResidence",
        "ResponsibleOrganization",
    }
)
"""Attributes that identify a patient whenever they hold a value. Every person name (VR PN) counts besides."""

FREE_TEXT = frozenset({"AdditionalPatientHistory", "ImageComments", "PatientComments"})
"""Attributes that a de-identified file may keep cleaned (option "Clean Descriptors"): in such a file they count only
when their text looks like a name or a number."""

PLACEHOLDER = re.compile(
    r"[\s^=.\-_*]*|x+|0+|anon(ym(ous|i[sz]ed))?\w*|(de-?)?identified|removed|redacted|unknown|none|no[ _]?name|"
    r"not[ _]?available|n/?a|cleared_by_datamint|patient|subject|test|phantom",
    re.IGNORECASE,
)
"""Values that stand where a name was and name nobody."""

_HINT = re.compile(
    r"\^|\b(patient|pat_?name|name|mrn|ssn|nhs|dob|born|birth|acc)\b|\b(mrn|acc|ssn)[-_ #:]|\d{4}-\d\d-\d\d|\d{7,}",
    re.IGNORECASE,
)


def suspicious_text(text: str) -> bool:
    """Whether free text seems to hold a name, a birth date or a number of a patient."""
    return bool(_HINT.search(text))


_NAME_HINT = re.compile(r"(^|[^a-z])(mrn|ssn|dob|pat(ient)?[-_ ]?name)[^a-z]", re.IGNORECASE)


def suspicious_name(name: str) -> bool:
    """Whether a file's name says of itself that it holds a patient's number, name or birth date."""
    return bool(_NAME_HINT.search(name))


def identifying_attributes(dataset: Any) -> tuple[str, ...]:
    """The attributes of a DICOM dataset, nested ones too, that hold identifying values.

    Parameters
    ----------
    dataset : a pydicom dataset

    Returns
    -------
    Keywords, or tags where an element has no keyword, with ``[…]`` for sequences they lie in; each once.
    """
    removed = str(dataset.get("PatientIdentityRemoved", "") or "").strip().upper() == "YES"
    return tuple(dict.fromkeys(_walk(dataset, "", removed=removed)))


def _walk(dataset: Any, prefix: str, *, removed: bool) -> Iterator[str]:
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    for tag in sorted(dataset.keys()):
        raw = dataset.get_item(tag)
        keyword = keyword_for_tag(tag)
        vr = raw.VR or (dictionary_VR(tag) if keyword else None)
        if vr == "SQ":
            if keyword in IDENTIFIERS and len(dataset[tag].value or ()):
                yield prefix + keyword
            for item in dataset[tag].value or ():
                yield from _walk(item, f"{prefix}{keyword or _name(tag)}[…].", removed=removed)
        elif keyword == "BurnedInAnnotation":
            if str(dataset[tag].value or "").strip().upper() == "YES":
                yield prefix + keyword
        elif removed and (keyword in PSEUDONYMS or (keyword in FREE_TEXT and not suspicious_text(str(raw.value)))):
            continue
        elif (vr == "PN" or keyword in IDENTIFIERS) and raw.value and _names_someone(dataset[tag].value):
            yield prefix + (keyword or _name(tag))


def _names_someone(value: Any) -> bool:
    many = value if type(value).__name__ == "MultiValue" else [value]
    return any(not PLACEHOLDER.fullmatch(str(one).strip()) for one in many if one is not None)


def _name(tag: Any) -> str:
    return f"({tag.group:04x},{tag.element:04x})"
