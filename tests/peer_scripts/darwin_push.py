"""Push with darwin-py: `darwin_push.py SLUG OPTIONS PATH...`, the options being those of `RemoteDataset.push`."""

import json
import os
import sys

from darwin.client import Client

slug, options, *paths = sys.argv[1:]
client = Client.from_api_key(os.environ["DARWIN_API_KEY"])
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")
handler = dataset.push(paths, **json.loads(options))
print(
    json.dumps(
        {
            "pending": sorted(item.full_path for item in handler.pending_items),
            "blocked": {item.full_path: [slot.reason for slot in item.slots] for item in handler.blocked_items},
            "errors": [[error.stage.name, str(error.error)] for error in handler.errors],
        }
    )
)
