"""What is said of annotations that were put here, as it is by now: what people changed counts.

A sidecar keeps all attributes, and the platform those that it has a place for. One that stands there and is gone, or
has another value, was changed there; what it has no place for stays as it was put.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Track
from caseferry_darwin.wire.properties import same_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from caseferry.plain import Json
    from caseferry.sidecar import Found, Kept


def reconciled(kept: Kept, found: Sequence[Found]) -> tuple[Kept, list[Found]]:
    """A sidecar, and what was found of its annotations, both with the attributes that count."""
    names = {key: name for name, key in kept.native.annotations.items()}
    put = {annotation.id: annotation for annotation in kept.case.annotations}
    changed: dict[str, Annotation] = {}
    merged = []
    for each in found:
        own = put.get(names.get(each.key or "", ""))
        if own is None:
            merged.append(each)
            continue
        natives = frozenset(kept.native.attributes.get(own.id, ()))
        before, now = with_attributes(own, each.annotation, natives)
        changed[own.id] = before
        merged.append(replace(each, annotation=now))
    annotations = [changed.get(each.id, each) for each in kept.case.annotations]
    return replace(kept, case=replace(kept.case, annotations=annotations)), merged


def with_attributes(put: Annotation, there: Annotation, natives: Collection[str]) -> tuple[Annotation, Annotation]:
    """What was put and what is there, each with the attributes that count.

    Parameters
    ----------
    natives : names of those that stand on the platform
    """
    if isinstance(put, Track) and isinstance(there, Track):
        return _with_tracks(put, there, natives)
    attributes = _merged(put.attributes, there.attributes, natives)
    if isinstance(put, Track):
        return put, _with(there, attributes)
    return _with(put, attributes), _with(there, attributes)


def _with(annotation: Annotation, attributes: dict[str, Json]) -> Annotation:
    return annotation if annotation.attributes == attributes else replace(annotation, attributes=attributes)


def _with_tracks(put: Track, there: Track, natives: Collection[str]) -> tuple[Annotation, Annotation]:
    told = {*natives, *there.attributes, *(name for each in there.keyframes for name in each.attributes)}
    frames = {each.frame or 0 for track in (put, there) for each in track.keyframes}
    pairs = [(put.at(frame), there.at(frame)) for frame in frames]
    if all(one is None or other is None or _agree(one.attributes, other.attributes, told) for one, other in pairs):
        keyframes = [replace(each, attributes=_own(put, each.frame or 0)) for each in there.keyframes]
        return put, replace(there, attributes=put.attributes, keyframes=keyframes)
    beside = {name: value for name, value in put.attributes.items() if name not in told}
    keyframes = []
    for each in there.keyframes:
        own = {name: value for name, value in _own(put, each.frame or 0).items() if name not in told}
        keyframes.append(replace(each, attributes=own | dict(each.attributes)))
    now = replace(there, attributes=beside | dict(there.attributes), keyframes=keyframes)
    same = {name: getattr(now, name) for name in ("attributes", "keyframes", "ranges", "interpolated")}
    return replace(put, **same), now


def _merged(put: Mapping[str, Json], there: Mapping[str, Json], natives: Collection[str]) -> dict[str, Json]:
    """The attributes of an annotation, in the words in which they were put where these are still the same."""
    stays = {name: value for name, value in put.items() if name in there or name not in natives}
    return stays | {name: value for name, value in there.items() if not same_words(put.get(name), value)}


def _agree(put: Mapping[str, Json], there: Mapping[str, Json], names: Collection[str]) -> bool:
    """Whether attributes of some names are the same."""
    return all((name in put) == (name in there) and same_words(put.get(name), there.get(name)) for name in names)


def _own(track: Track, frame: int) -> dict[str, Any]:
    """What is said of a frame beside what is said of the whole track."""
    shape = track.at(frame)
    said = shape.attributes if shape is not None else {}
    return {
        name: value for name, value in said.items() if name not in track.attributes or track.attributes[name] != value
    }
