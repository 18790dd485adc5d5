"""Which header entries survive an import, and how they must look.

Names and the rest of a patient's identity survive unchanged: the importer does not de-identify.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?"
_TIME = r"(2[0-3]|[0-1]\d)[0-5]\d[0-5]\d(\.\d\d\d)?"

NUMBER = re.compile(rf"^{_NUMBER}$")
NUMBERS = re.compile(rf"^{_NUMBER}(\s{_NUMBER})*$")
WINDOW = re.compile(rf"^({_NUMBER}|\[({_NUMBER},\s?)*{_NUMBER}\])$")
TIMES = re.compile(rf"^{_TIME}(\s{_TIME})*$")
SHORT = re.compile(r"^.{0,128}$")

OTHERS = {
    "Laterality": SHORT,
    "SliceThickness": NUMBER,
    "Exposures": NUMBERS,
    "ContentTimes": TIMES,
    "WindowCenter": WINDOW,
    "WindowWidth": WINDOW,
    "SmallestImagePixelValue": NUMBER,
    "LargestImagePixelValue": NUMBER,
    "t0": NUMBER,
    "t1": NUMBER,
}

DATE = re.compile(r"^\d{8}$")
UID = re.compile(r"^[\d.]{0,64}$")
TEXT = re.compile(r"^[^\\]{0,64}$")

IDENTITY = {
    "PatientID": (TEXT, "patient_id"),
    "PatientName": (re.compile(r"^[^\\]{0,324}$"), "patient_name"),
    "PatientBirthDate": (DATE, "patient_birth_date"),
    "PatientAge": (re.compile(r"^\d{3}[DWMY]$"), "patient_age"),
    "PatientSex": (re.compile(r"^[MFO]$"), "patient_sex"),
    "StudyDate": (DATE, "study_date"),
    "StudyInstanceUID": (UID, "study_instance_uid"),
    "SeriesInstanceUID": (UID, "series_instance_uid"),
    "StudyDescription": (TEXT, "study_description"),
    "SeriesDescription": (TEXT, "series_description"),
}
"""DICOM keyword to how its value must look and what the API calls it."""

DICOM_KEYS = ("Laterality", "SliceThickness", "WindowCenter", "WindowWidth", *IDENTITY)

PER_TIME = ("Exposures", "ContentTimes")
WINDOW_PAIR = {"WindowCenter": "WindowWidth", "WindowWidth": "WindowCenter"}


class HeaderError(Exception):
    """A header entry that does not look as it must: its image is not imported."""


def kept_headers(headers: Mapping[str, str], times: int) -> dict[str, str]:
    """The entries that survive.

    Parameters
    ----------
    times : how many points in time the image has

    Raises
    ------
    HeaderError
        One of them does not look as it must.
    """
    kept: dict[str, str] = {}
    for key, value in headers.items():
        if key in OTHERS:
            _check(key, value, OTHERS[key])
            if key in PER_TIME and len(value.split(" ")) != times:
                msg = f"{key} has not one value for each of {times} points in time"
                raise HeaderError(msg)
            if key in WINDOW_PAIR and value.startswith("["):
                _check_pair(key, value, headers.get(WINDOW_PAIR[key], ""))
            kept[key] = value
        elif key in IDENTITY:
            check_identity(key, value)
            kept[key] = value
    return kept


def check_identity(key: str, value: str) -> None:
    """Refuse a value that its DICOM value representation does not allow; an empty one is allowed.

    Raises
    ------
    HeaderError
        It is not allowed.
    """
    if value and key in IDENTITY:
        _check(key, value, IDENTITY[key][0])
        if IDENTITY[key][0] is DATE:
            _date(key, value)


def shown_identity(headers: Mapping[str, str]) -> dict[str, Any]:
    """What the API shows of whose image it is. Dates that are not there are null, texts empty."""
    shown: dict[str, Any] = {}
    for key, (pattern, name) in IDENTITY.items():
        value = headers.get(key, "")
        if pattern is DATE:
            shown[name] = _date(key, value) if value else None
        else:
            shown[name] = value
    return shown


def first_number(text: str | None) -> float | None:
    """The number in a text, or the first of a list."""
    try:
        return float((text or "").strip("[]").split(",")[0])
    except ValueError:
        return None


def _check(key: str, value: str, pattern: re.Pattern[str]) -> None:
    if pattern.match(value) is None:
        msg = f"{key} does not look as it must"
        raise HeaderError(msg)


def _check_pair(key: str, value: str, other: str) -> None:
    if not other.startswith("[") or other.count(",") != value.count(","):
        msg = f"{key} and {WINDOW_PAIR[key]} have not equally many values"
        raise HeaderError(msg)


def _date(key: str, value: str) -> str:
    try:
        return dt.date(int(value[:4]), int(value[4:6]), int(value[6:8])).isoformat()
    except ValueError as error:
        msg = f"{key} is no date"
        raise HeaderError(msg) from error
