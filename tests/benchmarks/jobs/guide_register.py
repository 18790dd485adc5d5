"""Register pictures as V7's guide shows it, one item in a request: `guide_register.py SLUG COUNT`."""

import os
import sys

import requests
from external import BUCKET, keys
from stopwatch import Stopwatch

slug, count = sys.argv[1], int(sys.argv[2])
url = f"{os.environ['DARWIN_BASE_URL']}/api/v2/teams/{os.environ['DARWIN_TEAM']}/items/register_existing"
headers = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Authorization": f"ApiKey {os.environ['DARWIN_API_KEY']}",
}
watch = Stopwatch()
failed = 0
for key in keys(count):
    folder, _, name = key.rpartition("/")
    item = {"path": f"/{folder}", "type": "image", "storage_key": key, "name": name}
    payload = {"items": [item], "dataset_slug": slug, "storage_slug": BUCKET}
    response = requests.post(url, headers=headers, json=payload)
    failed += response.status_code != 200 or bool(response.json()["blocked_items"])
watch.stop(items=count - failed, errors=failed)
