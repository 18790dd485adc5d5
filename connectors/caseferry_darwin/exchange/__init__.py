"""Darwin JSON 2.0 files: the annotations of one image, both ways; no platform is asked.

Positions are those at which Darwin shows the image. Pictures, videos and documents: x is the column, y the row and the
frame the plane. Volumes are turned so that their axes run to the patient's left, back and feet (LPI); frames follow
each other along that axis which is the third of the file's own, and x and y are millimetres from the first voxel for
shapes, voxels for masks. A file that is written says so in its slot's ``metadata``, as exports of the platform do;
one without such ``metadata`` is read as if it did.

Frames of a file that is written are keyframes alone; between them shapes change as ``interpolated`` says.

Attributes are written as Darwin's properties, and those that are true as its attributes, where they are said to be
such: darwin-py refuses a file with a property that the team does not have. What Darwin has no field for stands once
more under ``caseferry``, which darwin-py passes over: what is read from the file equals what was written, save what
was changed in between.

`caseferry.exchange` reads and writes them as its format ``darwin-json``.

Source
------
darwin-py 3.6.3's reader and importer; the exports of V7's end-to-end tests. For the ways in which images are shown see
`caseferry_darwin.wire.view`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.exchange.format import FileFormat, Glimpse
from caseferry_darwin.exchange.reading import ONLY_SLOT, read_json
from caseferry_darwin.exchange.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.exchange.written import Written
    from caseferry.files import FileRef

__all__ = ["DARWIN_JSON", "read_json", "write_json"]


def _is_json(glimpse: Glimpse) -> bool:
    return {"item", "annotations"} <= set(glimpse.document)


def _read_file(ref: FileRef, image: Image, slot: str | None = None) -> list[Annotation]:
    return read_json(Glimpse(ref).document, image, slot=slot, where=ref.name)


def _write_file(
    annotations: Iterable[Annotation],
    image: Image,
    item: str = "",
    folder: str = "/",
    slot: str = ONLY_SLOT,
    properties: Collection[str] = (),
) -> Written:
    return write_json(annotations, image, name=item, folder=folder, slot=slot, properties=properties)


DARWIN_JSON = FileFormat("darwin-json", "Darwin JSON 2.0 files", _is_json, _read_file, _write_file, (".darwin.json",))
