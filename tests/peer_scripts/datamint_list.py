"""What datamint's `APIHandler` lists and fetches for the questions in a file; prints each answer."""

import datetime as dt
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from datamint.apihandler.api_handler import APIHandler

asked, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
api = APIHandler()


def day(value):
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


def dated(filters):
    return {name: day(value) if "date" in name else value for name, value in filters.items()}


def fetched(resource_id, frame):
    content = api.download_resource_file(resource_id, auto_convert=False)
    loaded, path = api.download_resource_file(resource_id, str(folder / resource_id), add_extension=True)
    pixels = np.asarray(api.download_resource_frame(resource_id, frame))
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "kind": type(loaded).__name__,
        "name": Path(path).name,
        "frame": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "size": pixels.shape,
    }


told = {
    "resources": [[each["filename"] for each in api.get_resources(**dated(filters))] for filters in asked["resources"]],
    "ids": list(api.get_resources(return_ids_only=True)),
    "annotations": [[each["id"] for each in api.get_annotations(**dated(filters))] for filters in asked["annotations"]],
    "files": [fetched(*each) for each in asked["files"]],
    "projects": [each["name"] for each in api.get_projects()],
    "datasets": [each["id"] for each in api.get_datasets()],
    "users": [each["email"] for each in api.get_users()],
    "channels": {
        each["channel_name"]: sorted(one["resource_id"] for one in each["resource_data"]) for each in api.get_channels()
    },
    "worklists": [[each["id"] for each in api.get_annotation_worklist(status)] for status in (None, "new", "active")],
}
print(json.dumps(told))
