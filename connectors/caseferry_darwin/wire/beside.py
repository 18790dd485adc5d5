"""What people write beside a shape on Darwin, and what of it goes there again with the shape.

A class says what its annotations may carry. What a class that is there does not take stays in the sidecar.

Source
------
darwin-py 3.6.3's importer: the forms of ``text``, ``instance_id`` and ``directional_vector``. Attributes are sent as
numbers that belong to one class, and of what a model said the form is not public: neither is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Raw

if TYPE_CHECKING:
    from caseferry.annotation import Annotation
    from caseferry_darwin.wire.annotations import Form
    from caseferry_darwin.wire.classes import Classes

MEMBERS = {"text": {"text"}, "instance_id": {"value"}, "directional_vector": {"angle", "length"}}
"""What stands beside a shape, and the members that each has."""


def with_beside(form: Form, annotation: Annotation, classes: Classes) -> Form:
    """A form with what its annotation says beside the shape, as far as its class takes it or can be made to."""
    if isinstance(annotation, Raw):
        return form  # its data is whole already
    known = classes.known.get((form.wanted.name, form.wanted.kind))
    taken = set(known.types) if known is not None else set(classes.types)
    said: dict[str, Any] = {
        name: dict(value)
        for name, value in annotation.attributes.items()
        if name in taken
        and isinstance(value, Mapping)
        and set(value) == MEMBERS.get(name)
        and not (name == "text" and form.wanted.kind == "tag")  # there it is the value
    }
    if not said:
        return form
    data = form.data
    if "frames" in data:
        (frame, content), *others = data["frames"].items()
        data = {**data, "frames": {frame: content | said, **dict(others)}}
    else:
        data = data | said
    subs = tuple(sorted(set(said) - {"text"}))
    wanted = replace(form.wanted, text=form.wanted.text or "text" in said, subs=subs)
    return replace(form, wanted=wanted, data=data)
