"""Downloads every value of an archive with gcapi, and prints what is where."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import gcapi

client = gcapi.Client(base_url=os.environ["GRAND_CHALLENGE_URL"], verify=os.environ["CASEFERRY_CA"])
archive = client.archives.detail(slug=sys.argv[1])
found: dict[str, dict[str, object]] = {}
for item in client.archive_items.iterate_all(params={"archive": archive.pk}):
    folder = Path(sys.argv[2]) / item.pk
    sockets = found[item.title] = {}
    for value in item.values:
        told: dict[str, object] = {"kind": value.socket.kind, "value": value.value}
        if value.image:
            image = client.images.detail(api_url=value.image)
            told["files"] = [str(path) for path in client.images.download(pk=image.pk, output_directory=folder)]
            told["image"] = {"name": image.name, "shape": image.shape, "segments": image.segments}
            told["image"]["colour"] = image.color_space.value
        elif value.file:
            client.download_socket_value(value, output_directory=folder)
            told["files"] = [str(folder / value.socket.relative_path)]
        sockets[value.socket.slug] = told
print(json.dumps(found))
