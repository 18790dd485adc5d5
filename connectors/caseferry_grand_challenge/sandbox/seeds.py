"""What every new sandbox has: sockets of every kind.

Numbers and paths below 40 that the platform itself was seen to use are its own; the others are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.kinds import DICOM_SET, KINDS, SEGMENTATION, Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry_grand_challenge.sandbox.forms import Record

FIRST_FREE = 40
"""The number of the first socket that has none of its own."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket to begin with.

    Attributes
    ----------
    path : where a download writes its value; empty makes one of the slug
    stored : whether values lie in the database; None as new sockets of the kind do
    segments : names of the voxel values from 1 on, for segmentations
    """

    slug: str
    title: str
    kind: str
    number: int = 0
    description: str = ""
    path: str | None = None
    stored: bool | None = None
    schema: dict[str, Any] = field(default_factory=dict)
    segments: tuple[str, ...] = ()


SEVERITIES = ("none", "mild", "moderate", "severe")
FINDINGS = ("consolidation", "effusion", "ground glass", "nodule")

NAMED = (
    Socket("generic-medical-image", "Generic Medical Image", "Image", 1, path=""),
    Socket("generic-overlay", "Generic Overlay", "Heat Map", 2, path="images"),
    Socket("ct-image", "CT Image", "Image", 14, "Any CT image", "images/ct"),
    Socket("mr-image", "MR Image", "Image", 15, "Any MR image", "images/mr"),
    Socket("lung-segmentation", "Lung Segmentation", SEGMENTATION, 16, segments=("left lung", "right lung")),
    Socket("lesion-segmentation", "Lesion Segmentation", SEGMENTATION, 17, segments=("lesion",)),
    Socket(
        "organ-segmentation",
        "Organ Segmentation",
        SEGMENTATION,
        18,
        segments=tuple(f"organ {number}" for number in range(1, 17)),
    ),
    Socket("lung-volume", "Lung Volume", "Float", 19),
    Socket("slice-count", "Slice Count", "Integer", 20),
    Socket("is-normal", "Is Normal", "Bool", 21),
    Socket("report-text", "Report Text", "String", 22),
    Socket("severity", "Severity", "Choice", 23, schema={"type": "string", "enum": list(SEVERITIES)}),
    Socket("case-metadata", "Case Metadata", "Anything", 24),
    Socket(
        "findings",
        "Findings",
        "Multiple choice",
        25,
        schema={"type": "array", "items": {"type": "string", "enum": list(FINDINGS)}},
    ),
    Socket("big-metadata", "Big Metadata", "Anything", 26, stored=False),
    Socket("volume-chart", "Volume Chart", "Chart", 27),
    Socket("registration", "Registration", "Affine transform registration", 28),
    Socket("report", "Report", "PDF file", 31),
    Socket("table", "Table", "CSV file", 32),
    Socket("bundle", "Bundle", "ZIP file", 33),
    Socket("us-image", "US Image", "Image", path="images/us"),
    Socket("xray-image", "X-Ray Image", "Image", path="images/xray"),
    Socket("pet-image", "PET Image", "Image", path="images/pet"),
    Socket("heat-map", "Heat Map", "Heat Map"),
    Socket("displacement-field", "Displacement Field", "Displacement field"),
    Socket("dicom-image-set", DICOM_SET, DICOM_SET),
    Socket("cine", "Cine", "MP4 file"),
    Socket("thumbnail-jpg", "Thumbnail JPG", "Thumbnail jpg"),
    Socket("thumbnail-png", "Thumbnail PNG", "Thumbnail png"),
    Socket("surface-mesh", "Surface Mesh", "OBJ file"),
    Socket("slide-registration", "Slide Registration", "SQREG file"),
    Socket("phylogeny", "Phylogeny", "Newick tree-format file"),
    Socket("microbiome", "Microbiome", "BIOM format"),
)


def seed_sockets() -> Iterator[Record]:
    """The rows of the sockets that every new sandbox has: those above, and one of each annotation kind."""
    number = FIRST_FREE
    named = {socket.kind for socket in NAMED}
    annotations = (
        Socket(kind.name.lower().replace(" ", "-"), kind.name, kind.name)
        for kind in KINDS.values()
        if kind.name not in named
    )
    for socket in (*NAMED, *annotations):
        row = socket_row(socket, socket.number or number)
        number += 0 if socket.number else 1
        yield row


def socket_row(socket: Socket, number: int) -> Record:
    """A socket as the state keeps it."""
    kind = KINDS[socket.kind]
    path = socket.path
    if path is None:
        image = kind.family is Family.IMAGE
        path = f"images/{socket.slug}" if image else f"{socket.slug}{kind.extension}"
    return {
        "pk": number,
        "slug": socket.slug,
        "title": socket.title,
        "description": socket.description,
        "kind": socket.kind,
        "relative_path": path,
        "in_database": kind.storable if socket.stored is None else socket.stored,
        "schema": socket.schema,
        "overlay_segments": [
            {"name": name, "visible": True, "voxel_value": value} for value, name in enumerate(socket.segments, start=1)
        ],
    }
