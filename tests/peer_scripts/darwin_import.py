"""Import annotations with darwin-py: `darwin_import.py SLUG FORMAT OPTIONS PATH...`."""

import contextlib
import io
import json
import os
import sys

from darwin.client import Client
from darwin.importer import get_importer, import_annotations

slug, kind, options, *paths = sys.argv[1:]
client = Client.from_api_key(os.environ["DARWIN_API_KEY"])
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")
said = io.StringIO()
raised = None
with contextlib.redirect_stdout(said):
    try:
        import_annotations(
            dataset,
            get_importer(kind),
            paths,
            **{"append": False, "class_prompt": False, "overwrite": True, **json.loads(options)},
        )
    except Exception as error:  # noqa: BLE001  whatever it raises is the answer
        raised = f"{type(error).__name__}: {error}"
print(json.dumps({"said": said.getvalue(), "raised": raised}))
