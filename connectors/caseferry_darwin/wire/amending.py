"""What Darwin's sidecar cannot take any more: amendments, each a tag of the item with a text.

The sidecar lies in the metadata of a slot, which are given when the item is registered and can never be changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caseferry.sidecar import KEY, amendment_number
from caseferry_darwin.wire.annotations import Form, Ids, tag_data
from caseferry_darwin.wire.classes import Wanted
from caseferry_darwin.wire.rows import contents_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry_darwin.wire.classes import Classes

AMENDS = Wanted(KEY, "tag", True)
"""The class of amendments."""


def amendment_form(document: Mapping[str, Any], ids: Ids, slot: Mapping[str, Any]) -> Form:
    """An amendment as the platform takes it.

    Parameters
    ----------
    slot : the one whose metadata hold the sidecar, as the platform tells of it
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    sections = int(slot.get("total_sections") or 0)
    data = tag_data(text, sections if sections > 1 else 0)
    return Form(AMENDS, data, ids.amendment(amendment_number(document)), str(slot["slot_name"]))


def amendment_in(row: Mapping[str, Any], classes: Classes) -> Any:
    """The amendment that a row holds; an empty one when it cannot be read; None when the row is no amendment."""
    named = classes.name_of(row.get("annotation_class_id"))
    if named is None or named[0] != KEY or named[1][0] != "tag":
        return None
    texts = [each.get("text") for each in contents_of(row)]
    text = next((each.get("text") for each in texts if isinstance(each, Mapping)), None)
    if text is None:
        return None
    try:
        document = json.loads(str(text))
    except ValueError:
        return None
    return document if amendment_number(document) else {}


def amendments_in(rows: Iterable[Mapping[str, Any]], classes: Classes) -> list[Any]:
    """The amendments among the annotations of an item."""
    return [document for row in rows if (document := amendment_in(row, classes)) is not None]
