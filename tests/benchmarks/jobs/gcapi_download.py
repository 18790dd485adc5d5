"""Fetch the image of an item with gcapi: `gcapi_download.py ITEM FOLDER`."""

import os
import sys
from pathlib import Path

from gcapi import Client
from stopwatch import Stopwatch

pk, folder = sys.argv[1:]
watch = Stopwatch()
client = Client(base_url=os.environ["GRAND_CHALLENGE_URL"], verify=os.environ["CASEFERRY_CA"])
(address,) = (value.image for value in client.archive_items.detail(pk=pk).values if value.image)
image = client.images.detail(api_url=address)
client.images.download(pk=image.pk, output_directory=Path(folder))
watch.stop()
