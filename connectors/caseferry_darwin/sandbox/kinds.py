"""Kinds of files, as their names tell them."""

from __future__ import annotations

TYPES = ("image", "video", "pdf", "dicom")

MEDICAL = (".dcm", ".dicom", ".nii", ".nii.gz")
IMAGES = (
    ".png",
    ".jpeg",
    ".jpg",
    ".jfif",
    ".tif",
    ".tiff",
    ".qtiff",
    ".bmp",
    ".gif",
    ".svs",
    ".ndpi",
    ".webp",
)
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".hevc", ".bpm", ".rvg", ".wmv")


def type_of(file_name: str) -> str | None:
    """The type that a file's name stands for; None when it stands for none."""
    name = file_name.lower()
    for kind, endings in (("dicom", MEDICAL), ("image", IMAGES), ("video", VIDEOS), ("pdf", (".pdf",))):
        if name.endswith(endings):
            return kind
    return None


def is_slice(file_name: str) -> bool:
    """Whether several such files may share one slot."""
    return file_name.lower().endswith((".dcm", ".dicom"))
