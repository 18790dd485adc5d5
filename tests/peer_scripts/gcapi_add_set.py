"""Makes a DICOM image set of files with gcapi, in a new item by its title or in one that is there by its identifier."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from contextlib import suppress

import gcapi
from gcapi import SocketValueSpec

archive, name, *files = sys.argv[1:]
client = gcapi.Client(base_url=os.environ["GRAND_CHALLENGE_URL"], verify=os.environ["CASEFERRY_CA"])
values = [SocketValueSpec("dicom-image-set", files=files, image_name="a set")]
before = None
with suppress(ValueError):
    uuid.UUID(name)
    before = {value.image for value in client.archive_items.detail(pk=name).values}
if before is None:
    item = client.add_case_to_archive(archive_slug=archive, title=name, values=values)
else:
    item = client.update_archive_item(archive_item_pk=name, values=values)
deadline = time.monotonic() + 30
while not {value.image for value in client.archive_items.detail(pk=item.pk).values if value.image} - (before or set()):
    if time.monotonic() > deadline:
        raise SystemExit("the set never came")
    time.sleep(0.02)
print(json.dumps(item.pk))
