"""How darwin-py understands refusals: each is named by the exception that it raises."""

import json
import os

from darwin.client import Client


def raised(work):
    try:
        work()
    except Exception as error:  # noqa: BLE001  whatever it raises is the answer
        return type(error).__name__
    return None


client = Client.from_api_key(os.environ["DARWIN_API_KEY"])
team = os.environ["DARWIN_TEAM"]
found = {
    "key": raised(lambda: Client.from_api_key("sandbox.ffffffffffffffffffffffffffffffff")),
    "name": raised(lambda: client.create_dataset("Sandbox")),
    "missing": raised(lambda: client.get_remote_dataset(f"{team}/nothing")),
    "item": raised(lambda: client.api_v2.import_annotation("no-such-item", {"annotations": []})),
    "invalid": raised(lambda: client.create_annotation_class(1, [99999], "x")),
    "storage": raised(lambda: client.get_external_storage(name="nowhere")),
}
client.config.put("global/payload_compression_level", 6)
found["compressed"] = client.create_dataset("Made Of Compressed Words").slug
print(json.dumps(found))
