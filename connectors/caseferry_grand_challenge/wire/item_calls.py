"""The calls that give an item of Grand Challenge what its sockets are to hold, and wait until it is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from caseferry.errors import Inexpressible, Problem, ProcessingFailed, TemporaryFailure
from caseferry.plan import Call, Given, Repeat, Reply
from caseferry_grand_challenge.wire.answers import SESSION, said
from caseferry_grand_challenge.wire.answers import item as item_of
from caseferry_grand_challenge.wire.imagesets import set_files, set_name
from caseferry_grand_challenge.wire.uploads import upload_calls

if TYPE_CHECKING:
    from caseferry.case import Image
    from caseferry.files import FileRef

PLATFORM = "grand-challenge"

SESSION_DONE, SESSION_FAILED = "Succeeded", "Failed"
LARGEST_BODY = 15 << 20
"""Bytes of values in one call: the platform's front refuses bodies above 16 MB."""

LOOKS_FOR_OWN = 12
"""How often an item is looked at for the image that an import has made, before another one in its socket will do."""


def entry(slug: str, **source: Any) -> dict[str, Any]:
    """One entry of ``values``, spelled as gcapi spells it: every source named, one of them not null."""
    empty = dict.fromkeys(("value", "file", "image", "upload_session", "user_upload", "user_uploads", "image_name"))
    return {"interface": slug, **empty, **source}


def image_set(case_id: str, slug: str, image: Image) -> tuple[list[Call], dict[str, Any]]:
    """The calls that upload the files of a DICOM image set, and the entry of `values` that makes the set of them.

    Raises
    ------
    Inexpressible
        See `caseferry_grand_challenge.wire.imagesets.set_files`.
    """
    calls, names = uploads_of(case_id, slug, set_files(case_id, image))
    uploads = [Given(name) for name in names]
    return calls, entry(slug, user_uploads=uploads, image_name=set_name(case_id, image))


def uploads_of(case_id: str, slug: str, refs: Sequence[FileRef]) -> tuple[list[Call], list[str]]:
    """The calls that upload the files for a socket, and the names of what gives their addresses."""
    keys = [slug if len(refs) == 1 else f"{slug}-{index}" for index in range(len(refs))]
    calls = [call for key, ref in zip(keys, refs, strict=True) for call in upload_calls(case_id, key, ref)]
    return calls, [f"upload {key}" for key in keys]


def value_call(item: str, entries: Sequence[Mapping[str, Any]]) -> Call:
    """The call that sets values of an item; the sockets that it does not name stay as they are.

    Parameters
    ----------
    item : where the item is
    """
    return Call(
        name="set values",
        method="PATCH",
        target=item,
        body={"values": list(entries)},
        repeat=Repeat.DETECTABLE,
        purpose="set the item's values",
    )


def value_calls(
    case_id: str,
    item: str,
    entries: Sequence[Mapping[str, Any]],
    irreversible: str = "",
    look: Callable[[Collection[str]], Call | None] = lambda _: None,
) -> list[Call]:
    """The calls that do so, as many as it takes: the platform's front lets only so much through at once.

    Parameters
    ----------
    look : makes the call that precedes one that sets some sockets; see `look_again`

    Raises
    ------
    Inexpressible
        A value is too large by itself.
    """
    refuse_large(case_id, entries)
    groups: list[list[Mapping[str, Any]]] = []
    room = 0
    for each in entries:
        room -= json_size(each)
        if room < 0:
            groups.append([])
            room = LARGEST_BODY - json_size(each)
        groups[-1].append(each)
    calls: list[Call] = []
    for number, group in enumerate(groups, start=1):
        call, before = value_call(item, group), look([str(each["interface"]) for each in group])
        name = call.name if number == 1 else f"{call.name} {number}"
        told = irreversible if number == 1 else ""
        after, watch = tuple(each.name for each in calls[-1:]), (before,) if before is not None else ()
        calls.append(replace(call, name=name, after=after, watch=watch, irreversible=told))
    return calls


def json_size(value: Any) -> int:
    """Bytes of a value in a body."""
    return len(json.dumps(value, default=str))


def refuse_large(case_id: str, entries: Sequence[Mapping[str, Any]], most: int = 0) -> None:
    """Refuse values that the platform's front would not let through.

    Parameters
    ----------
    most : bytes of each; 0 for what the platform takes

    Raises
    ------
    Inexpressible
        There is one.
    """
    most = most or LARGEST_BODY
    sizes = {str(each["interface"]): json_size(each) for each in entries}
    remedy = "name a socket that keeps its values as files"
    problems = [
        Problem(f"socket {slug!r}", f"would hold {size} bytes; Grand Challenge takes {most} at once", remedy)
        for slug, size in sizes.items()
        if size > most
    ]
    if problems:
        raise Inexpressible(case_id, problems)


def import_call(
    slug: str,
    uploads: Sequence[str],
    target: Mapping[str, Any],
    after: tuple[str, ...],
    irreversible: str = "",
    look: Call | None = None,
) -> Call:
    """The call that makes an image of uploads and puts it into a socket.

    Parameters
    ----------
    uploads : names of what gives their addresses
    target : the part of the body that says for which item it is
    look : a call that is made right before; see `look_again`
    """
    return Call(
        name=f"import {slug}",
        method="POST",
        target="cases/upload-sessions/",
        body={"uploads": [Given(name) for name in uploads], **target, "interface": slug},
        gives=(f"session {slug}",),
        read=_read_session(slug),
        after=after,
        repeat=Repeat.DETECTABLE,
        watch=(look,) if look is not None else (),
        purpose=f"import the image of socket {slug!r}",
        irreversible=irreversible,
    )


def look_again(item: str, before: Mapping[str, Mapping[str, Any]], slugs: Collection[str] | None = None) -> Call:
    """The call that looks at an item right before something is written over, as the platform takes no lock.

    Its reply raises when somebody has written meanwhile; then the plan is made anew from what is there.

    Parameters
    ----------
    before : what its sockets held when the plan was made
    slugs : those that must hold the same still; None for all
    """

    def until(reply: Reply) -> bool:
        changed = held_elsewise(before, filled_sockets(item_of(reply.body, "look at the item")))
        if told := sorted(changed if slugs is None else changed & set(slugs)):
            detail = f"somebody has changed what is in {', '.join(map(repr, told))} meanwhile"
            raise TemporaryFailure(PLATFORM, "look at the item again", detail)
        return True

    return Call(
        name="look again",
        method="GET",
        target=item,
        until=until,
        purpose="make sure that nobody has changed the item meanwhile",
    )


def held_elsewise(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Sockets that hold something else in one reading of an item than in another."""
    return {slug for slug in {*one, *other} if _holds(one.get(slug, {})) != _holds(other.get(slug, {}))}


def _holds(value: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(value.get(name) or None if name != "value" else value.get(name) for name in ("value", "file", "image"))


def _read_session(slug: str) -> Any:
    return lambda reply: {f"session {slug}": said(reply.body, f"import the image of socket {slug!r}", SESSION)["pk"]}


def ready_call(
    item: str,
    wanted: set[str],
    images: Sequence[str],
    after: tuple[str, ...],
    *,
    gone: frozenset[str] = frozenset(),
    replaced: Mapping[str, str] = MappingProxyType({}),
) -> Call:
    """The call that waits until every socket holds its value, and gives the item as it is then: ``row``.

    Parameters
    ----------
    item : where the item is
    wanted : sockets that hold something in the end
    images : those of them that an import fills
    gone : sockets that hold nothing in the end
    replaced : addresses of files and images that are in sockets now, by slug, and are to make place for others

    Notes
    -----
    A failed import never shows on the item, so the sessions are looked at beside it; one that has succeeded may
    still turn to failed when the image is refused by its socket. A socket may be filled by an import that an
    interrupted attempt has begun; this one's image replaces it a moment later, and the other is gone for everybody,
    so each socket is ready when it holds the image of its own import. Only where the other import came to its end
    last, its image stays.
    """
    made: dict[str, set[str]] = {}
    looks = dict.fromkeys(images, 0)

    def until(reply: Reply) -> bool:
        filled = filled_sockets(item_of(reply.body, "look at the item"))
        if not wanted <= set(filled) or gone & set(filled) or not set(made) >= set(images):
            return False
        if any(address in _addresses(filled.get(slug, {})) for slug, address in replaced.items()):
            return False
        strange = [slug for slug in images if made[slug] and str(filled[slug].get("image")) not in made[slug]]
        for slug in strange:
            looks[slug] += 1
        return all(looks[slug] >= LOOKS_FOR_OWN for slug in strange)

    watch = tuple(
        Call(
            name=f"look at {slug}",
            method="GET",
            target=f"cases/upload-sessions/{{session {slug}}}/",
            until=_look_at(slug, made),
            purpose="look at the import",
        )
        for slug in images
    )
    return Call(
        name="ready",
        method="GET",
        target=item,
        gives=("row",),
        read=lambda reply: {"row": reply.body},
        until=until,
        watch=watch,
        after=after,
        purpose="wait until everything is there",
    )


def _addresses(value: Mapping[str, Any]) -> tuple[Any, Any]:
    return value.get("file"), value.get("image")


def _look_at(slug: str, made: dict[str, set[str]]) -> Any:
    """Whether an import has succeeded, and note its images; raise when it has failed."""

    def until(reply: Reply) -> bool:
        status = said(reply.body, f"look at the import of socket {slug!r}", SESSION)["status"]
        if status in {SESSION_FAILED, "Cancelled"}:
            reason = str(reply.body.get("error_message") or f"it ended as {status!r}, and no reason was given")
            raise ProcessingFailed(PLATFORM, f"import the image of socket {slug!r}", reason, state=SESSION_FAILED)
        if status == SESSION_DONE:
            made[slug] = {str(address) for address in reply.body.get("image_set") or ()}
        return slug in made

    return until


def filled_sockets(item: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The values of an item that are there, by slug."""
    found = {}
    for value in item.get("values") or ():
        socket = value.get("socket") or value.get("interface") or {}
        holds = value.get("value") is not None or value.get("file") or value.get("image")
        if isinstance(socket, Mapping) and holds:
            found[str(socket["slug"])] = value
    return found
