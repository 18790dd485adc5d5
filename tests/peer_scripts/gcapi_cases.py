"""Moves cases with gcapi alone: adds, updates, overwrites, attaches, lists and downloads them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import gcapi
from gcapi import SocketValueSpec


def wait(client: gcapi.Client, pk: str, sockets: set[str]) -> object:
    """Poll an item until every socket has a value."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        item = client.archive_items.detail(pk=pk)
        if sockets <= {value.socket.slug for value in item.values}:
            return item
        time.sleep(0.02)
    raise SystemExit(f"{pk} never had {sockets}")


def by_socket(item: object) -> dict[str, object]:
    return {value.socket.slug: value for value in item.values}


folder = Path(sys.argv[1])
client = gcapi.Client(base_url=os.environ["GRAND_CHALLENGE_URL"], verify=os.environ["CASEFERRY_CA"])
archive = client.archives.detail(slug="sandbox")

posted = client.add_case_to_archive(
    archive_slug="sandbox",
    title="case 1",
    values=[
        SocketValueSpec("ct-image", files=[folder / "ct.nii.gz"]),
        SocketValueSpec("mr-image", files=sorted((folder / "series").iterdir())),
        SocketValueSpec("lung-volume", value=1.9),
        SocketValueSpec("case-metadata", value={"a": [1, None]}),
        SocketValueSpec("report", file=folder / "report.pdf"),
        SocketValueSpec("big-metadata", value={"rows": [1, 2, 3]}),
    ],
)
item = wait(client, posted.pk, {"ct-image", "mr-image", "report", "big-metadata"})
values = by_socket(item)

second = client.add_case_to_archive(
    archive_slug="sandbox",
    title="case 2",
    values=[
        SocketValueSpec("generic-medical-image", existing_image_api_url=values["ct-image"].image),
        SocketValueSpec("lung-volume", existing_socket_value=values["lung-volume"]),
        SocketValueSpec("big-metadata", existing_socket_value=values["big-metadata"]),
    ],
)
copied = by_socket(wait(client, second.pk, {"generic-medical-image", "big-metadata"}))

before = values["ct-image"].image
updated = client.update_archive_item(
    archive_item_pk=posted.pk,
    title="case 1, again",
    values=[
        SocketValueSpec("ct-image", files=[folder / "other.mha"]),
        SocketValueSpec("lung-volume", value=2),
    ],
)
deadline = time.monotonic() + 30
while (changed := by_socket(client.archive_items.detail(pk=posted.pk)))["ct-image"].image == before:
    assert time.monotonic() < deadline
    time.sleep(0.02)

downloads = folder / "downloads"
image = client.images.detail(api_url=values["mr-image"].image)
fetched = client.images.download(pk=image.pk, output_directory=downloads)
client.download_socket_value(values["report"], output_directory=downloads)
client.download_socket_value(values["big-metadata"], output_directory=downloads)

sessions = list(client.raw_image_upload_sessions.iterate_all())
print(
    json.dumps(
        {
            "posted": [value.interface for value in posted.values],
            "value": values["lung-volume"].value,
            "changed": changed["lung-volume"].value,
            "title": client.archive_items.detail(pk=posted.pk).title,
            "updated_still_showed": {v.interface: v.image for v in updated.values}["ct-image"] == before,
            "shared": copied["lung-volume"].pk == values["lung-volume"].pk,
            "same_image": copied["generic-medical-image"].image == before,
            "copied_file": copied["big-metadata"].pk != values["big-metadata"].pk,
            "image": {"name": image.name, "shape": image.shape, "type": image.files[0].image_type.value},
            "files": [
                *map(str, fetched),
                *(str(downloads / values[slug].socket.relative_path) for slug in ("report", "big-metadata")),
            ],
            "names": sorted(i.name for i in client.images.iterate_all(params={"archive": archive.pk})),
            "items": client.archive_items.page(params={"archive": archive.pk}).total_count,
            "statuses": sorted(session.status for session in sessions),
            "uploads": client.uploads.page().total_count,
            "sockets": client.interfaces.page(limit=1000).total_count,
        }
    )
)
