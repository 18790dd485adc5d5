"""Push a folder with darwin-py: `darwin_push.py SLUG FOLDER`."""

import os
import sys

from darwin.client import Client
from stopwatch import Stopwatch

slug, folder = sys.argv[1:]
watch = Stopwatch()
client = Client.from_api_key(os.environ["DARWIN_API_KEY"])
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")
handler = dataset.push([folder])
watch.stop(items=len(handler.pending_items), errors=len(handler.errors))
