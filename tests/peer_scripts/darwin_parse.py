"""Parse Darwin JSON 2.0 files and export their masks to ``~/nifti`` with darwin-py: `darwin_parse.py FILE...`."""

import contextlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from darwin.exporter import export_annotations, get_exporter
from darwin.importer.formats.darwin import parse_path

files = [Path(name) for name in sys.argv[1:]]
with contextlib.redirect_stdout(sys.stderr):
    parsed = {file.stem: parse_path(file) for file in files}
    volumes = [file for file in files if "MONAI" in file.read_text()]
    export_annotations(get_exporter("nifti"), volumes, Path.home() / "nifti", split_sequences=False)
told = {
    name: {
        "name": each.filename,
        "slots": [[slot.name, slot.type, slot.width, slot.height, slot.frame_count] for slot in each.slots],
        "annotations": [
            {
                "id": one.id,
                "class": one.annotation_class.name,
                "type": one.annotation_class.annotation_type,
                "data": getattr(one, "data", None),
                "sent": one.get_data() if hasattr(one, "frames") else None,
                "subs": [asdict(sub) for sub in getattr(one, "subs", [])],
                "annotators": [person.email for person in one.annotators or []],
                "slots": one.slot_names,
            }
            for one in each.annotations
        ],
    }
    for name, each in parsed.items()
}
print(json.dumps(told))
