"""What answers of the platform must hold to be of use. What else they hold does not matter, nor what they lack beside.

A server of another version, a proxy or somebody in between may answer anything; it is told with the name of what is
missing, before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caseferry.errors import UnexpectedResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORM = "grand-challenge"

PLACE = ("pk", "url", "api_url")
SOCKET = ("slug", "kind", "super_kind")
UPLOAD = ("pk", "s3_upload_id", "api_url")
SESSION = ("pk", "status")
SIGNED = ("sop_instance_uid",)


def said(answer: Any, what: str, members: Sequence[str] = ()) -> Mapping[str, Any]:
    """An answer that is an object and says some things in words.

    Parameters
    ----------
    what : was asked, for the message
    members : names of texts that it must hold

    Raises
    ------
    UnexpectedResponse
        It does not.
    """
    if not isinstance(answer, Mapping):
        raise _unexpected(what, f"an object was expected, not {_named(answer)}")
    for name in members:
        if not isinstance(answer.get(name), str) or not answer[name]:
            raise _unexpected(what, f"it lacks {name!r}, which should be a text, not {_named(answer.get(name))}")
    return answer


def page(answer: Any, what: str) -> tuple[list[Any], int]:
    """The rows on a page of a listing, and how many there are in all."""
    rows, count = said(answer, what).get("results"), said(answer, what).get("count")
    if not isinstance(rows, list) or not isinstance(count, int):
        raise _unexpected(what, "it is no page of a listing: is the address that of the API?")
    return rows, count


def item(answer: Any, what: str) -> Mapping[str, Any]:
    """An item: its identifier, and its values with a socket each."""
    values = said(answer, what, ["pk"]).get("values")
    if not isinstance(values, list):
        raise _unexpected(what, f"it lacks 'values', which should be a list, not {_named(values)}")
    for value in values:
        said(said(value, what).get("socket") or value.get("interface"), f"{what}: a socket", SOCKET)
        for name in ("file", "image"):
            if value.get(name) is not None:
                said(value, f"{what}: a value", [name])
    return said(answer, what)


def image(answer: Any, what: str) -> Mapping[str, Any]:
    """An image: its files, none of a DICOM image set, and how large it is where that is known."""
    files = said(answer, what).get("files")
    if not isinstance(files, list) or not (files or answer.get("dicom_image_set") or _is_set(answer)):
        raise _unexpected(what, "it has no files")
    for each in files:
        said(each, f"{what}: a file", ["file"])
    for name in ("width", "height", "depth"):
        if not isinstance(answer.get(name), int | None):
            raise _unexpected(what, f"its {name!r} is no whole number")
    return said(answer, what)


def _is_set(answer: Mapping[str, Any]) -> bool:
    """Whether nothing says that an image without files is no DICOM image set: older servers do not tell."""
    return "dicom_image_set" not in answer


def _named(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _unexpected(what: str, detail: str) -> UnexpectedResponse:
    return UnexpectedResponse(PLATFORM, what, f"the answer is another than the platform's: {detail}", status=200)
