"""Register with darwin-py: `darwin_register.py SLUG STORAGE KEYS OPTIONS`."""

import json
import os
import sys

from darwin.client import Client

slug, storage, keys, options = sys.argv[1:]
client = Client.from_api_key(os.environ["DARWIN_API_KEY"])
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")
store = client.get_external_storage(name=storage)
try:
    done = dataset.register(store, json.loads(keys), **json.loads(options))
except Exception as error:  # noqa: BLE001  whatever it raises is the answer
    done = {"raised": type(error).__name__, "said": str(error)}
print(json.dumps({"storage": [store.provider, store.prefix, store.readonly, store.bucket], **done}))
