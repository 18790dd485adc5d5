"""What a person does to a resource with the newest client of datamint; prints the ids of what was drawn."""

import json
import sys
from pathlib import Path

import hollow  # noqa: F401  before datamint
import numpy as np
from datamint.api.client import Api

plan = json.loads(Path(sys.argv[1]).read_text())
api = Api()
draw, resource, frame = api.annotations, plan["resource"], plan["frame"]
pixels = np.zeros((*plan["size"][::-1], 1), np.uint8)
pixels[plan["spot"][1], plan["spot"][0], 0] = 1
made = [
    draw.add_line_annotation(*plan["line"], resource, "drawn line", frame_index=frame),
    draw.add_label_annotation(resource, "drawn label"),
    draw.add_category_annotation(resource, "drawn phase", "late", frame_index=frame),
    draw.upload_segmentations(resource, pixels, {(1, 1, 1): "drawn mask"}, frame_index=[frame]),
]
for each in plan.get("approve", []):
    draw.approve(each)
for each in plan.get("delete", []):
    draw.delete(each)
for each, name in plan.get("rename", {}).items():
    draw.patch(each, identifier=name)
print(json.dumps([each for one in made for each in (one if isinstance(one, list) else [one])]))
