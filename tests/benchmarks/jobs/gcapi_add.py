"""Add a case with gcapi as its documentation shows: `gcapi_add.py SOCKET TITLE FILE...`, until the image is there."""

import os
import sys
import time

from gcapi import Client, SocketValueSpec
from stopwatch import Stopwatch

socket, title, *files = sys.argv[1:]
name = {"image_name": title} if socket == "dicom-image-set" else {}
watch = Stopwatch()
client = Client(base_url=os.environ["GRAND_CHALLENGE_URL"], verify=os.environ["CASEFERRY_CA"])
item = client.add_case_to_archive(
    archive_slug="sandbox", title=title, values=[SocketValueSpec(socket_slug=socket, files=files, **name)]
)
deadline = time.monotonic() + 120
while not any(value.image for value in client.archive_items.detail(pk=item.pk).values):
    if time.monotonic() > deadline:
        raise SystemExit("the image never came")
    time.sleep(0.05)
watch.stop(id=item.pk)
