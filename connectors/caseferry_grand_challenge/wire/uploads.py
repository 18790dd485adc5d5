"""Bringing a file to Grand Challenge's upload store: create, sign, put part by part, complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.errors import InvalidCase, Problem, UnexpectedResponse
from caseferry.plan import Call, Given, Part, Repeat, Reply
from caseferry_grand_challenge.wire.answers import UPLOAD, said
from caseferry_grand_challenge.wire.images import upload_name

if TYPE_CHECKING:
    from caseferry.files import FileRef

PART = 8 << 20
"""Bytes in one part. The store wants at least 5 MiB in each but the last."""

MOST_PARTS = 10_000
SIGNED_AT_ONCE = 200

MOST_UPLOADS = 2001
"""Uploads that an account may have at a time, those under way and those that were not used yet."""


def upload_calls(case_id: str, key: str, ref: FileRef) -> list[Call]:
    """The calls that upload one file; the last gives ``upload KEY``, the address by which values name it.

    Parameters
    ----------
    key : its own name within the plan

    Raises
    ------
    InvalidCase
        The file is empty, which the store cannot hold.
    """
    size = ref.length()
    if size == 0:
        raise InvalidCase(case_id, [Problem(f"file {ref.name!r}", "is empty; Grand Challenge takes no empty files")])
    step = max(PART, -(-size // (MOST_PARTS - 1)))
    offsets = range(0, size, step)
    numbers = list(range(1, len(offsets) + 1))
    place = f"uploads/{{pk {key}}}"
    purpose = f"upload {key}"
    calls = [
        Call(
            name=f"create {key}",
            method="POST",
            target="uploads/",
            body={"filename": upload_name(ref.name)},
            gives=(f"pk {key}", f"store {key}", f"address {key}"),
            read=_read_created(key),
            purpose=purpose,
        )
    ]
    for start in range(0, len(numbers), SIGNED_AT_ONCE):
        wanted = numbers[start : start + SIGNED_AT_ONCE]
        calls.append(
            Call(
                name=f"sign {key} {start}",
                method="PATCH",
                target=f"{place}/{{store {key}}}/generate-presigned-urls/",
                body={"part_numbers": wanted},
                gives=tuple(f"url {key} {number}" for number in wanted),
                read=_read_signed(key, wanted),
                purpose=purpose,
            )
        )
    for number, offset in zip(numbers, offsets, strict=True):
        calls.append(
            Call(
                name=f"put {key} {number}",
                method="PUT",
                target=f"{{url {key} {number}}}",
                files=(Part(ref, offset=offset, length=min(step, size - offset), name=ref.name),),
                gives=(f"etag {key} {number}",),
                read=_read_tag(key, number),
                purpose=purpose,
            )
        )
    parts = [{"ETag": Given(f"etag {key} {number}"), "PartNumber": number} for number in numbers]
    calls.append(
        Call(
            name=f"complete {key}",
            method="PATCH",
            target=f"{place}/{{store {key}}}/complete-multipart-upload/",
            body={"parts": parts},
            gives=(f"upload {key}",),
            read=lambda reply: {f"upload {key}": said(reply.body, f"upload {key}", UPLOAD[-1:])["api_url"]},
            repeat=Repeat.DETECTABLE,
            purpose=purpose,
        )
    )
    return calls


def _read_created(key: str) -> Any:
    def read(reply: Reply) -> dict[str, Any]:
        body = said(reply.body, f"upload {key}", UPLOAD)
        return {f"pk {key}": body["pk"], f"store {key}": body["s3_upload_id"], f"address {key}": body["api_url"]}

    return read


def _read_signed(key: str, numbers: list[int]) -> Any:
    def read(reply: Reply) -> dict[str, Any]:
        what = f"upload {key}"
        urls = said(said(reply.body, what).get("presigned_urls"), what, [str(number) for number in numbers])
        return {f"url {key} {number}": urls[str(number)] for number in numbers}

    return read


def _read_tag(key: str, number: int) -> Any:
    def read(reply: Reply) -> dict[str, Any]:
        tag = reply.headers.get("ETag")
        if not tag:
            raise UnexpectedResponse("grand-challenge", f"upload {key}", "the store gave no ETag for a part")
        return {f"etag {key} {number}": tag}

    return read
