"""Uploads: files on their way in, part by part, each used once.

Parts go to the object store by signed URLs. Completing an upload only checks and lists them; their bytes are
put together when a file of them is needed.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.forms import MISSING, FieldError, Form
from caseferry_grand_challenge.sandbox.pages import page
from caseferry_grand_challenge.sandbox.refusals import (
    REQUIRED,
    RefusedError,
    detail,
    not_found,
    server_error,
)
from caseferry_grand_challenge.sandbox.world import now

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry.sandbox.blobs import Blob
    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

BUCKET = "grand-challenge-uploads/"
LONGEST_NAME = 128
MOST_PARTS = 10_000
SMALLEST_PART = 5 << 20
"""The object store refuses a smaller part, unless it is the last."""

URL_SECONDS = 3600.0
TOO_MANY = "You have created too many uploads. Please try again later."


async def uploads(call: Call) -> web.Response:
    """The uploads of who asks."""
    rows = [
        row for row in call.world.table("uploads").values() if call.user is not None and row["creator"] == call.user.pk
    ]
    return page(call, rows, lambda row: shapes.upload(call.world, row))


async def upload(call: Call) -> web.Response:
    """One upload."""
    return answer(shapes.upload(call.world, _found(call)))


async def create(call: Call) -> web.Response:
    """A new upload, waiting for its parts."""
    user, world = call.someone(), call.world
    form = Form(await call.body())
    filename = form.text("filename", LONGEST_NAME, required=True, blank=False)
    if filename is not MISSING and filename != filename.rsplit("/", 1)[-1]:
        form.problems["filename"] = [f"{filename} is not a valid filename"]
    form.done()
    quota = _quota(world, user.pk)
    if quota["rows"] >= world.upload_rows:
        raise RefusedError(400, {"non_field_errors": [TOO_MANY]})
    pk = world.uuid()
    row: Record = {
        "pk": pk,
        "creator": user.pk,
        "created": now(),
        "filename": filename,
        "key": f"uploads/{user.pk}/{pk}",
        "s3_upload_id": secrets.token_urlsafe(42),
        "status": "Initialized",
        "received": {},
        "parts": [],
        "size": 0,
    }
    world.table("uploads")[pk] = row
    quota["rows"] += 1
    return answer(shapes.upload(world, row), 201)


async def presign(call: Call) -> web.Response:
    """URLs to which numbered parts may be put."""
    row, world = _found(call, by_upload_id=True), call.world
    form = Form(await call.body(), partial=True)
    numbers = form.read("part_numbers", _part_numbers)
    form.done()
    if numbers is MISSING:
        raise RefusedError(400, {"non_field_errors": ["The `part_numbers` field is required"]})
    over = _quota(world, row["creator"])["bytes"] > world.upload_bytes
    if row["status"] != "Initialized" or over:
        raise detail(403, "Upload limit reached")
    urls = {str(number): world.host.store.sign("PUT", _part_key(row, number), URL_SECONDS) for number in numbers}
    return answer(shapes.upload(world, row) | {"presigned_urls": urls})


async def complete(call: Call) -> web.Response:
    """Put an upload together. Parts that were never put, or not in this form, break the server."""
    row, world = _found(call, by_upload_id=True), call.world
    form = Form(await call.body(), partial=True)
    parts = form.read("parts", _parts)
    form.done()
    if parts is MISSING:
        raise RefusedError(400, {"non_field_errors": ["The `parts` field is required"]})
    if row["status"] != "Initialized":
        raise server_error()
    received = [row["received"].get(str(part["PartNumber"])) for part in parts]
    numbers = [part["PartNumber"] for part in parts]
    wrong = (
        not parts
        or numbers != sorted(set(numbers))
        or any(one is None for one in received)
        or any(one["etag"] != part["ETag"].strip('"') for one, part in zip(received, parts, strict=True) if one)
        or any(one["size"] < SMALLEST_PART for one in received[:-1] if one)
    )
    if wrong:
        raise server_error()
    row["parts"] = [one["blob"] for one in received if one]
    row["size"] = sum(one["size"] for one in received if one)
    row["status"] = "Completed"
    _quota(world, row["creator"])["bytes"] += row["size"]
    return answer(shapes.upload(world, row))


async def abort(call: Call) -> web.Response:
    """Give an upload up."""
    row, world = _found(call, by_upload_id=True), call.world
    if row["status"] != "Initialized":
        raise server_error()
    _forget_parts(world, row)
    row["s3_upload_id"], row["status"] = "", "Aborted"
    return answer(shapes.upload(world, row))


async def list_parts(call: Call) -> web.Response:
    """The parts that arrived so far."""
    row = _found(call, by_upload_id=True)
    if row["status"] != "Initialized":
        raise server_error()
    parts = [
        {
            "ETag": f'"{one["etag"]}"',
            "PartNumber": int(number),
            "LastModified": one["modified"],
            "Size": one["size"],
        }
        for number, one in sorted(row["received"].items(), key=lambda pair: int(pair[0]))
    ]
    return answer(shapes.upload(call.world, row) | {"parts": parts})


def take_part(world: World, key: str, blob: Blob) -> None:
    """Note a part that a client put into the object store."""
    if not key.startswith(BUCKET):
        return
    *_, pk, upload_id, number = key.split("/")
    row = world.table("uploads").get(pk)
    if row is not None and row["s3_upload_id"] == upload_id and row["status"] == "Initialized":
        row["received"][number] = {
            "etag": blob.md5,
            "size": blob.size,
            "blob": blob.key,
            "modified": now(),
        }


def consume(world: World, pk: str) -> None:
    """Delete an upload that has been used."""
    row = world.table("uploads").pop(pk, None)
    if row is not None:
        quota = _quota(world, row["creator"])
        quota["rows"] -= 1
        quota["bytes"] -= row["size"]
        _forget_parts(world, row)


def _quota(world: World, user: int) -> Record:
    quota: Record = world.table("quota").setdefault(str(user), {"rows": 0, "bytes": 0})
    return quota


def _part_key(row: Record, number: int | str) -> str:
    return f"{BUCKET}{row['key']}/{row['s3_upload_id']}/{number}"


def _forget_parts(world: World, row: Record) -> None:
    for number in row["received"]:
        world.host.store.remove(_part_key(row, number))


def _found(call: Call, *, by_upload_id: bool = False) -> Record:
    def find(pk: str) -> Record | None:
        row: Record | None = call.world.table("uploads").get(pk)
        own = row is not None and call.user is not None and row["creator"] == call.user.pk
        return row if own else None

    row = call.found("UserUpload", find)
    if by_upload_id and row["s3_upload_id"] != call.word("upload_id"):
        raise not_found("UserUpload")
    return row


def _part_numbers(value: Any) -> list[int]:
    if not isinstance(value, list):
        raise FieldError(f'Expected a list of items but got type "{type(value).__name__}".')
    problems = {str(index): [text] for index, one in enumerate(value) if (text := _number_complaint(one))}
    if problems:
        raise FieldError(problems)
    return [int(one) for one in value]


def _number_complaint(value: Any) -> str | None:
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        return "A valid integer is required."
    if number < 1:
        return "Ensure this value is greater than or equal to 1."
    if number > MOST_PARTS:
        return f"Ensure this value is less than or equal to {MOST_PARTS}."
    return None


def _parts(value: Any) -> list[Record]:
    if not isinstance(value, list):
        words = f'Expected a list of items but got type "{type(value).__name__}".'
        raise FieldError({"non_field_errors": [words]})
    problems = [_part_problems(one) for one in value]
    if any(problems):
        raise FieldError(problems)
    return value


def _part_problems(value: Any) -> Record:
    if not isinstance(value, dict):
        words = f"Invalid data. Expected a dictionary, but got {type(value).__name__}."
        return {"non_field_errors": [words]}
    problems: Record = {name: [REQUIRED] for name in ("ETag", "PartNumber") if name not in value}
    if "ETag" in value and not isinstance(value["ETag"], str):
        problems["ETag"] = ["Not a valid string."]
    if "PartNumber" in value and (text := _number_complaint(value["PartNumber"])):
        problems["PartNumber"] = [text]
    return problems
