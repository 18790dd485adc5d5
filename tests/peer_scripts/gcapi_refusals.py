"""Does with gcapi what a Grand Challenge refuses, and tells how each refusal looks to the client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import gcapi
import httpx
from gcapi import SocketValueSpec

if TYPE_CHECKING:
    from collections.abc import Callable

URL, CA = os.environ["GRAND_CHALLENGE_URL"], os.environ["CASEFERRY_CA"]


def client(token: str = "") -> gcapi.Client:
    return gcapi.Client(token=token, base_url=URL, verify=CA)


def refusal(act: Callable[[], object]) -> object:
    """What an action raises: the status and the answer, or the name of the error."""
    try:
        act()
    except httpx.HTTPStatusError as error:
        if "json" in error.response.headers.get("Content-Type", ""):
            return [error.response.status_code, error.response.json()]
        return [error.response.status_code, error.response.headers["Content-Type"].split(";")[0]]
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return None


uploader, viewer, outsider = client(), client(sys.argv[2]), client(sys.argv[3])
empty = Path(sys.argv[1]) / "empty.pdf"
empty.write_bytes(b"")
archive = uploader.archives.detail(slug="sandbox")
item = uploader.archive_items.create(archive=archive.api_url, title="refused")
uploader.archive_items.create(archive=archive.api_url)
stray = Path(sys.argv[1]) / "stray.nii"
stray.write_bytes(b"no image")


def update(slug: str, value: object, who: gcapi.Client = uploader) -> Callable[[], object]:
    return lambda: who.update_archive_item(archive_item_pk=item.pk, values=[SocketValueSpec(slug, value=value)])


print(
    json.dumps(
        {
            "bad token": refusal(lambda: list(client("wrong").archives.iterate_all())),
            "not a number": refusal(update("lung-volume", float("nan"))),
            "null": refusal(update("lung-volume", None)),
            "wrong type": refusal(update("slice-count", "x")),
            "viewer": refusal(update("lung-volume", 1, viewer)),
            "outsider": refusal(lambda: outsider.archive_items.detail(pk=item.pk)),
            "no archive": refusal(lambda: outsider.archives.detail(slug="sandbox")),
            "ambiguous": refusal(lambda: uploader.archive_items.detail(archive=archive.pk)),
            "outsider creates": refusal(lambda: outsider.archive_items.create(archive=archive.api_url)),
            "unique": refusal(lambda: uploader.archive_items.create(archive=archive.api_url, title="refused")),
            "delete": refusal(lambda: uploader.archive_items.delete(pk=item.pk)),
            "empty file": refusal(
                lambda: uploader.update_archive_item(
                    archive_item_pk=item.pk, values=[SocketValueSpec("report", file=empty)]
                )
            ),
            "unknown socket": refusal(update("no-such-socket", 1)),
            "foreign url": refusal(lambda: uploader(url="https://example.org/api/v1/archives/")),
            "outsider sees": [outsider.archives.page().total_count, outsider.images.page().total_count],
        }
    )
)
