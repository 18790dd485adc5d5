"""The kinds of socket, and what each means for how a value is set, kept and checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What a kind holds."""

    JSON = "json"
    FILE = "file"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of socket.

    Attributes
    ----------
    name : the text that the API shows
    code : the server's own word, which stands in some error texts
    extension : how the file of such a socket ends; empty for images
    storable : whether a new socket of this kind may keep its values in the database
    """

    name: str
    code: str
    family: Family
    extension: str = ""
    storable: bool = False


DICOM_SET = "DICOM Image Set"
SEGMENTATION = "Segmentation"
DISPLACEMENT_FIELD = "Displacement field"
CHART = "Chart"
NEWICK = "Newick tree-format file"
BIOM = "BIOM format"
THUMBNAILS = ("Thumbnail jpg", "Thumbnail png")

_JSON = {
    "String": "STR",
    "Integer": "INT",
    "Float": "FLT",
    "Bool": "BOOL",
    "Anything": "JSON",
    CHART: "CHART",
    "Choice": "CHOI",
    "Multiple choice": "MCHO",
    "Affine transform registration": "ATRG",
    "2D bounding box": "2DBB",
    "Distance measurement": "DIST",
    "Point": "POIN",
    "Polygon": "POLY",
    "Line": "LINE",
    "Angle": "ANGL",
    "Ellipse": "ELLI",
    "Three-point angle": "3ANG",
}

_LARGE_JSON = {
    "Multiple 2D bounding boxes": "M2DB",
    "Multiple distance measurements": "MDIS",
    "Multiple points": "MPOI",
    "Multiple polygons": "MPOL",
    "Multiple lines": "MLIN",
    "Multiple angles": "MANG",
    "Multiple ellipses": "MELL",
    "Multiple three-point angles": "M3AN",
}

_FILES = {
    "PDF file": ("PDF", ".pdf"),
    "CSV file": ("CSV", ".csv"),
    "ZIP file": ("ZIP", ".zip"),
    THUMBNAILS[0]: ("JPEG", ".jpeg"),
    THUMBNAILS[1]: ("PNG", ".png"),
    "OBJ file": ("OBJ", ".obj"),
    "MP4 file": ("MP4", ".mp4"),
    "SQREG file": ("SQREG", ".sqreg"),
    NEWICK: ("NEWCK", ".newick"),
    BIOM: ("BIOM", ".biom"),
}

_IMAGES = {
    "Image": "IMG",
    SEGMENTATION: "SEG",
    "Heat Map": "HMAP",
    DISPLACEMENT_FIELD: "DSPF",
    DICOM_SET: "DCMIS",
}

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *(Kind(name, code, Family.JSON, ".json", storable=True) for name, code in _JSON.items()),
        *(Kind(name, code, Family.JSON, ".json") for name, code in _LARGE_JSON.items()),
        *(Kind(name, code, Family.FILE, extension) for name, (code, extension) in _FILES.items()),
        *(Kind(name, code, Family.IMAGE) for name, code in _IMAGES.items()),
    )
}
"""Every kind by the text that the API shows."""


def super_kind(kind: Kind, *, in_database: bool) -> str:
    """How a value of a socket is set and read: ``Value``, ``File`` or ``Image``."""
    if kind.family is Family.IMAGE:
        return "Image"
    return "Value" if kind.family is Family.JSON and in_database else "File"
