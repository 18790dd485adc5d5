"""Export, pull and parse with darwin-py: `darwin_read.py SLUG NAME`; NIfTI masks go to ``~/nifti``."""

import contextlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from darwin.client import Client
from darwin.exporter import export_annotations, get_exporter
from darwin.utils import parse_darwin_json

slug, name = sys.argv[1:]
client = Client.from_api_key(os.environ["DARWIN_API_KEY"], datasets_dir=Path.home() / "pulled")
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")
with contextlib.redirect_stdout(sys.stderr):
    dataset.complete(list(dataset.fetch_remote_files()))  # only those are exported
    dataset.export(name, version="2.0", include_url_token=True)
    for _ in range(50):
        release = dataset.get_release(name)
        if release.status.value != "pending":
            break
        time.sleep(0.1)
    dataset.pull(release=release, multi_processed=False, only_annotations=True)
    files = sorted((dataset.local_path / "releases" / name / "annotations").glob("*.json"))
    volumes = [f for f in files if "MONAI" in f.read_text()]
    if volumes:
        export_annotations(get_exporter("nifti"), volumes, Path.home() / "nifti", split_sequences=False)

found = {}
for file in files:
    parsed = parse_darwin_json(file)
    found[parsed.filename] = [
        {
            "id": each.id,
            "class": each.annotation_class.name,
            "type": each.annotation_class.annotation_type,
            "data": each.data if hasattr(each, "data") else None,
            "frames": {frame: one.data for frame, one in each.frames.items()} if hasattr(each, "frames") else None,
            "keyframes": each.keyframes if hasattr(each, "frames") else None,
            "segments": each.segments if hasattr(each, "frames") else None,
            "subs": [asdict(sub) for sub in getattr(each, "subs", [])],
            "slots": each.slot_names,
            "properties": [[one.frame_index, one.name, one.value] for one in each.properties or ()],
        }
        for each in parsed.annotations
    ]
print(json.dumps(found))
