"""How objects look in answers. Every key stands here that the official client's models ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.kinds import CHART, THUMBNAILS, Family

if TYPE_CHECKING:
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

PIXELS = ("width", "height", "depth", "color_space")
SHAPE = ("shape_without_color", "shape", "voxel_width_mm", "voxel_height_mm", "voxel_depth_mm")
CONTENT = (
    "patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_age",
    "patient_sex",
    "study_date",
    "study_instance_uid",
    "series_instance_uid",
    "study_description",
    "series_description",
    "window_center",
    "window_width",
    "segments",
)


def archive(world: World, row: Record) -> Record:
    """An archive. Its slug is only in its web address."""
    return {
        "pk": row["pk"],
        "title": row["title"],
        "logo": f"{world.host.store.origin}/grand-challenge-public/logos/archive/{row['pk']}/logo.jpg",
        "description": row["description"],
        "api_url": world.url("archive", row["pk"]),
        "url": f"{world.host.origin}/archives/{row['slug']}/",
    }


def socket(world: World, row: Record) -> Record:
    """A socket."""
    return {
        "title": row["title"],
        "description": row["description"],
        "slug": row["slug"],
        "kind": row["kind"],
        "pk": row["pk"],
        "default_value": None,
        "super_kind": world.super_kind(row),
        "relative_path": row["relative_path"],
        "overlay_segments": row["overlay_segments"],
        "look_up_table": None,
    }


def item(world: World, row: Record) -> Record:
    """An archive item as it is read."""
    return {
        "pk": row["pk"],
        "title": row["title"],
        "archive": world.url("archive", row["archive"]),
        "values": _read_values(world, row),
        "hanging_protocol": None,
        "optional_hanging_protocols": [],
        "view_content": {},
    }


def posted_item(world: World, row: Record) -> Record:
    """An archive item as a change of it is answered."""
    return item(world, row | {"values": {}}) | {"values": _posted_values(world, row)}


def display_set(world: World, row: Record) -> Record:
    """A display set as it is read."""
    study = world.table("studies")[row["study"]]
    order = sorted(study["sets"], key=lambda pk: world.table("sets")[pk]["order"])
    return {
        "pk": row["pk"],
        "title": row["title"],
        "title_safe": row["title"],
        "reader_study": world.url("study", row["study"]),
        "values": _read_values(world, row),
        "order": row["order"],
        "api_url": world.url("set", row["pk"]),
        "hanging_protocol": None,
        "optional_hanging_protocols": [],
        "view_content": study["view_content"],
        "description": "",
        "descriptions_map_safe": {},
        "index": order.index(row["pk"]),
    }


def posted_display_set(world: World, row: Record) -> Record:
    """A display set as a change of it is answered; its reader study is named by slug."""
    shown = display_set(world, row | {"values": {}})
    study = world.table("studies")[row["study"]]
    return shown | {"reader_study": study["slug"], "values": _posted_values(world, row)}


def study(world: World, row: Record) -> Record:
    """A reader study."""
    logo = f"{world.host.store.origin}/grand-challenge-public/logos/readerstudy/{row['pk']}/logo.jpg"
    return {
        "api_url": world.url("study", row["pk"]),
        "url": f"{world.host.origin}/reader-studies/{row['slug']}/",
        "slug": row["slug"],
        "logo": logo,
        "description": row["description"],
        "help_text": "",
        "help_text_safe": "",
        "pk": row["pk"],
        "questions": [],
        "title": row["title"],
        "title_safe": row["title"],
        "is_educational": False,
        "instant_verification": False,
        "has_ground_truth": False,
        "allow_answer_modification": False,
        "enable_autosaving": False,
        "allow_case_navigation": False,
        "allow_show_all_annotations": False,
        "roll_over_answers_for_n_cases": 0,
        "end_of_study_text_safe": "",
    }


def image(world: World, row: Record) -> Record:
    """An image."""
    shown = row["shown"]
    files = [
        {"pk": f["pk"], "image": row["pk"], "file": world.media(f["key"]), "image_type": f["type"]}
        for f in row["files"]
    ]
    return {
        "pk": row["pk"],
        "name": row["name"],
        "files": files,
        "dicom_image_set": {"image_set_id": row["dicom"]["id"]} if row["dicom"] else None,
        **{key: shown[key] for key in PIXELS},
        "modality": None,
        "eye_choice": "NA",
        "stereoscopic_choice": None,
        "field_of_view": None,
        **{key: shown[key] for key in SHAPE},
        "api_url": world.url("image", row["pk"]),
        **{key: shown[key] for key in CONTENT},
    }


def session(world: World, row: Record) -> Record:
    """An upload session."""
    return {
        "pk": row["pk"],
        "creator": row["creator"],
        "status": row["status"],
        "error_message": row["error_message"],
        "image_set": [world.url("image", pk) for pk in row["images"]],
        "api_url": world.url("session", row["pk"]),
        "user_uploads": list(row["uploads"]),
        "uploads": [world.url("upload", pk) for pk in row["uploads"]],
    }


def upload(world: World, row: Record) -> Record:
    """An upload."""
    return {
        "pk": row["pk"],
        "created": row["created"],
        "filename": row["filename"],
        "key": row["key"],
        "s3_upload_id": row["s3_upload_id"],
        "status": row["status"],
        "api_url": world.url("upload", row["pk"]),
    }


def _content(world: World, row: Record) -> Record:
    return {
        "value": row["value"],
        "file": world.media(row["file"]) if row["file"] else None,
        "image": world.url("image", row["image"]) if row["image"] else None,
        "pk": row["pk"],
    }


def _read_values(world: World, case: Record) -> list[Record]:
    """Values as a case is read: JSON kinds by slug, then thumbnails, charts, other files, images."""
    sockets = world.table("sockets")

    def place(row: Record) -> tuple[int, str]:
        kind = sockets[row["socket"]]["kind"]
        family = world.kind(sockets[row["socket"]]).family
        rank = {Family.JSON: 0, Family.FILE: 3, Family.IMAGE: 4}[family]
        if kind in THUMBNAILS:
            rank = 1
        elif kind == CHART:
            rank = 2
        return rank, row["socket"]

    shown = []
    for row in sorted(world.values(case), key=place):
        plug: dict[str, Any] = socket(world, sockets[row["socket"]])
        shown.append({"socket": plug, "interface": plug, **_content(world, row)})
    return shown


def _posted_values(world: World, case: Record) -> list[Record]:
    """Values as a change is answered: by value number, each naming its socket by slug."""
    rows = sorted(world.values(case), key=lambda row: int(row["pk"]))
    return [{"interface": row["socket"], **_content(world, row), "image_name": None} for row in rows]
