"""What Datamint's sidecar cannot take any more: amendments, each an annotation of the case's first resource.

The sidecar lies in the metadata of a resource, which are given when it is uploaded and can never be changed. A
category is the one annotation that holds a text and that every version of the platform's client reads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caseferry.sidecar import KEY, amendment_number

if TYPE_CHECKING:
    from collections.abc import Mapping

AMENDS = "caseferry-sidecar"
"""``imported_from`` of an amendment."""


def amendment_form(document: Mapping[str, Any]) -> dict[str, Any]:
    """What creates an amendment."""
    return {
        "type": "category",
        "identifier": KEY,
        "scope": "image",
        "value": json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        "imported_from": AMENDS,
        "source": "imported",
    }


def amendment_in(row: Mapping[str, Any]) -> Any:
    """The amendment that a row holds; an empty one when it cannot be read; None when the row is no amendment."""
    if row.get("imported_from") != AMENDS:
        return None
    try:
        document = json.loads(str(row.get("text_value", row.get("value"))))
    except ValueError:
        return {}
    return document if amendment_number(document) else {}
