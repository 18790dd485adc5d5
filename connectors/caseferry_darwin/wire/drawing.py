"""What of a case's annotations is drawn in Darwin's own forms, and what becomes of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask
from caseferry.case.placement import aligned
from caseferry.held import Held, Loss, native, part_of, said_elsewhere
from caseferry_darwin.wire.annotations import CONVERSIONS, Form, Ids, native_form
from caseferry_darwin.wire.beside import unsaid, with_beside
from caseferry_darwin.wire.classes import Wanted
from caseferry_darwin.wire.masks import joined_voxels, mask_forms, no_layer
from caseferry_darwin.wire.outlines import OUTLINED, drawn_as, outline_forms, parted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.capability import Conversion
    from caseferry.case import Case, Image
    from caseferry.mapping.unmapped import Missing
    from caseferry_darwin.wire.place import Place
    from caseferry_darwin.wire.view import View

BESIDE = "the first slot's metadata"
"""Where the sidecar lies."""


@dataclass
class Drawn:
    """What of a case's annotations is drawn.

    Attributes
    ----------
    forms : native forms by the ids of annotations; those of all masks of an image stand under the first one's
    held : what becomes of each
    said : by their ids, names of the attributes that are drawn with them
    missing : classes that are not there
    """

    forms: dict[str, list[Form]] = field(default_factory=dict)
    said: dict[str, Mapping[str, bool]] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    @property
    def losses(self) -> list[Loss]:
        """What has no form, or no place in one."""
        return [each for each in self.held if isinstance(each, Loss) and each.kept == "sidecar"]

    def lose(self, annotation: Annotation, reason: str) -> None:
        """Note that an annotation has no form."""
        self.held.append(Loss(part_of(annotation), reason, "sidecar", BESIDE))

    def hold(self, annotation: Annotation, form: Form, where: str, conversion: Conversion | None = None) -> None:
        """Note that an annotation is drawn; what is said of it besides may have no place there."""
        part = part_of(annotation)
        self.held.append(conversion.loss(part) if conversion is not None else native(part, where))
        self.held += said_elsewhere(annotation, unsaid(form, annotation), BESIDE)
        self.said[annotation.id] = form.said

    def lacks(self, missing: Missing | None) -> None:
        """Note a class that is not there."""
        self.missing += [missing] if missing is not None else []


def forms_of(
    case: Case,
    place: Place,
    views: Mapping[str, View | None],
    ids: Ids,
    *,
    others: Collection[str] = (),
    promised: Collection[str] | None = None,
) -> Drawn:
    """The native forms of annotations, and what becomes of each.

    Parameters
    ----------
    others : ids of annotations that have a form of another kind
    promised : ids of those that are drawn as the sidecar of an item says that is there, and cannot be changed any more
    """
    drawn = Drawn()
    covered = place.displays.covered([image.role for image in case.images])
    masks: dict[str, list[tuple[Mask, NDArray[Any]]]] = {}
    outlines: list[tuple[Mask, NDArray[Any]]] = []
    for annotation in case.annotations:
        if annotation.id in others:
            continue
        role = annotation.image if annotation.image is not None else case.images[0].role
        view = views[role]
        if promised is not None and annotation.id not in promised:
            drawn.lose(annotation, "it lies beside the item that is there")
        elif view is None or role in covered:
            drawn.lose(annotation, _unseen(role, place, covered))
        elif isinstance(annotation, Mask):
            parts = mask_parts(annotation, case.image(role), place, masks.setdefault(role, []), drawn)
            if isinstance(parts, str):
                drawn.lose(annotation, parts)
            elif "polygon" in parts:
                outlines.append((annotation, parts["polygon"]))
        else:
            _draw(annotation, native_form(annotation, view, place.names, ids), view, place, drawn)
    _draw_masks(masks, outlines, views, place, ids, drawn)
    return drawn


def _draw_masks(
    masks: Mapping[str, list[tuple[Mask, NDArray[Any]]]],
    outlines: Sequence[tuple[Mask, NDArray[Any]]],
    views: Mapping[str, View | None],
    place: Place,
    ids: Ids,
    drawn: Drawn,
) -> None:
    """Note what becomes of masks.

    Parameters
    ----------
    masks : by role, those that share the layer of their slot, with the voxels that are drawn in it
    outlines : those of which polygons are made, with the voxels that they enclose
    """
    outlined = {mask.id for mask, _ in outlines}
    for role, group in masks.items():
        view = views[role]
        if view is not None and group:
            forms = mask_forms(group, view, place.names, ids)
            owners = {ids.value(mask.id, value): mask for mask, _ in group for value in mask.labels}
            forms = [with_beside(f, owners[f.id], view, place) if f.id in owners else f for f in forms]
            for mask, _ in group:
                drawn.forms[mask.id] = []
                if mask.id not in outlined:
                    own = next(form for form in forms if owners.get(form.id) is mask)
                    drawn.hold(mask, own, "masks in the raster layer")
            drawn.forms[group[0][0].id] = forms
    for mask, voxels in outlines:
        view = views[str(mask.image)]
        if view is not None:
            forms = [with_beside(form, mask, view, place) for form in outline_forms(mask, voxels, view, place, ids)]
            drawn.forms[mask.id] = [*drawn.forms.get(mask.id, ()), *forms]
            drawn.hold(mask, forms[0], OUTLINED.into, OUTLINED)


def _draw(annotation: Annotation, form: Form | str, view: View, place: Place, drawn: Drawn) -> None:
    """Note what becomes of an annotation, given its form or why it has none."""
    if isinstance(form, str):
        drawn.lose(annotation, form)
        return
    drawn.lacks(place.classes.missing(f"label {annotation.label!r}", form.wanted))
    if (reason := place.classes.why_not(form.wanted, create=place.create)) is not None:
        drawn.lose(annotation, reason)
        return
    whole = with_beside(form, annotation, view, place)
    drawn.forms[annotation.id] = [whole]
    text = " with a text" if form.wanted.text else ""
    where = f"{form.wanted.kind}{text} of class {form.wanted.name!r}"
    drawn.hold(annotation, whole, where, CONVERSIONS.get(annotation.kind))


def loss_of(annotation: Annotation, reason: str, where: str) -> Loss:
    """The loss of an annotation that has no form of the platform's own."""
    return Loss(part_of(annotation), reason, "sidecar", where)


def _unseen(role: str, place: Place, covered: Mapping[str, str]) -> str:
    """Why nothing can be drawn on an image."""
    if role in covered:
        return f"it is a channel of image {covered[role]!r}, and Darwin shows annotations on that alone"
    if place.displays.of(role).sampled:
        return "which frames Darwin takes of the file is known afterwards only"
    return "Darwin annotates images only"


def mask_parts(
    mask: Mask, image: Image, place: Place, group: list[tuple[Mask, NDArray[Any]]], drawn: Drawn | None = None
) -> dict[str, NDArray[Any]] | str:
    """The voxels of a mask by what they are drawn as, or why it has no native form.

    Those that are drawn as masks join the group of their slot.
    """
    if (reason := no_layer(image)) is not None:
        return reason
    wanted = {label: Wanted(place.names.label(label), drawn_as(label, place)) for label in mask.labels.values()}
    for label, each in wanted.items():
        (drawn or Drawn()).lacks(place.classes.missing(f"label {label!r}", each))
    for each in wanted.values():
        if (reason := place.classes.why_not(each, create=place.create)) is not None:
            return reason
    voxels = aligned(mask, image)
    if not voxels.any():
        return "it has no pixels"
    parts = {kind: own for kind, own in parted(mask, voxels, place).items() if own.any()}
    reason = joined_voxels(mask, parts["mask"], group) if "mask" in parts else None
    return reason or parts
