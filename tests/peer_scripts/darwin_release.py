"""Export, wait and pull with darwin-py: `darwin_release.py SLUG NAME OPTIONS`."""

import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path

from darwin.client import Client

slug, name, options = sys.argv[1:]
client = Client.from_api_key(os.environ["DARWIN_API_KEY"], datasets_dir=Path.home() / "pulled")
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")
with contextlib.redirect_stdout(sys.stderr):
    dataset.export(name, version="2.0", **json.loads(options))
    for _ in range(50):
        release = dataset.get_release(name)
        if release.status.value != "pending":
            break
        time.sleep(0.1)
    if release.available:
        dataset.pull(release=release, multi_processed=False)
print(
    json.dumps(
        {
            "status": release.status.value,
            "latest": release.latest,
            "format": release.format,
            "items": release.image_count,
            "files": {
                path.relative_to(dataset.local_path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(dataset.local_path.rglob("*"))
                if path.is_file() and not path.is_symlink() and "latest" not in path.parts
            },
        }
    )
)
