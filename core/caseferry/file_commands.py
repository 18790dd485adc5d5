"""What ``caseferry annotations`` does: annotation files read as JSON, and the annotations of an item written to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.commands import DONE, found_item, open_given, say
from caseferry.errors import ConfigurationError

if TYPE_CHECKING:
    from caseferry.case import Case, Image


def read_file(given: Any) -> int:
    """Print the annotations in a file."""
    from caseferry.exchange import read

    image = _image_at(Path(given.image), given.role)
    found = read(given.file, image, format=given.format)
    print(json.dumps([each.to_json() for each in found], indent=1, ensure_ascii=False))
    return DONE


def write_file(given: Any) -> int:
    """Write the annotations of an item to a file, and say what it has no form for."""
    from caseferry.exchange import write

    with open_given(given.url, given) as dataset:
        case = found_item(dataset, given.item).case()
        written = write(given.file, case.annotations, _image_of(case, given.role), format=given.format)
    for annotation, what in written.left_out:
        say(f"left out: {annotation.kind} {annotation.label!r}: {what}")
    for annotation, what in written.changed:
        say(f"changed: {annotation.kind} {annotation.label!r}: {what}")
    return DONE


def list_formats(given: Any) -> int:
    """List the formats of annotation files."""
    from caseferry.exchange import formats
    from caseferry.text import table

    rows = []
    for each in formats().values():
        can = " and ".join(word for word, verb in (("read", each.read), ("written", each.write)) if verb)
        rows.append([each.name, each.summary, can, " ".join(each.endings)])
    if given.json:
        keys = ("name", "summary", "can", "endings")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
    else:
        print(table(rows, ["FORMAT", "WHAT IT IS", "IS", "ENDINGS"]))
    return DONE


def _image_at(path: Path, role: str) -> Image:
    """The image at a path: of one file, or the only one in a folder."""
    from caseferry.case import Image
    from caseferry.imaging.reading import find_images

    if not path.is_dir():
        return Image(role, path)
    found, _ = find_images(path)
    if len(found) != 1:
        msg = f"{path} holds {len(found)} images, expected one: name its file, or a folder of its own"
        raise ConfigurationError(msg)
    return Image(role, found[0])


def _image_of(case: Case, role: str | None) -> Image:
    roles = [image.role for image in case.images]
    if role is None and len(roles) != 1:
        msg = f"case {case.id} has the images {', '.join(roles) or 'none'}: say which with --image"
        raise ConfigurationError(msg)
    for image in case.images:
        if image.role == (role or roles[0]):
            return image
    msg = f"case {case.id} has no image {role!r}; it has {', '.join(roles) or 'none'}"
    raise ConfigurationError(msg)
