"""Draws the same things on several resources with each client of datamint; prints what each call returned or raised.

The plan names resources by words, each with its id, its file, the frame to draw on, and the spot to mark.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import hollow  # noqa: F401  before datamint
import numpy as np
import pydicom

VERSION = version("datamint")
plan = json.loads(Path(sys.argv[1]).read_text())
outcome = {}


def step(name, do):
    try:
        outcome[name] = do()
    except Exception as error:  # noqa: BLE001  the test says which errors are right
        outcome[name] = {"raised": type(error).__name__, "text": str(error)[:300]}
    return outcome[name]


def mask(place):
    """One pixel at the spot, in an array [row, column, frame] as the clients take it."""
    column, row = place["spot"]
    pixels = np.zeros((*place["size"][::-1], 1), np.uint8)
    pixels[row, column, 0] = 1
    return pixels


def with_handler(name, place):
    from datamint.apihandler.api_handler import APIHandler

    api = APIHandler()
    rid, frame, (p, q) = place["id"], place["frame"], place["line"]
    metadata = pydicom.dcmread(place["path"], stop_before_pixels=True) if place["path"].endswith(".dcm") else None
    step(f"{name} line", lambda: api.add_line_annotation(p, q, rid, "line", frame_index=frame))
    if metadata is not None:
        step(
            f"{name} line in patient",
            lambda: api.add_line_annotation(p, q, rid, "patient line", frame_index=frame, dicom_metadata=metadata),
        )
    step(f"{name} box", lambda: api.add_box_annotation(p, q, rid, "box", frame_index=frame))
    step(f"{name} label", lambda: api.add_annotations(rid, "label"))
    step(f"{name} frames", lambda: api.add_annotations(rid, "frames", (0, frame), value="good"))
    step(f"{name} category", lambda: api.add_image_category_annotation(rid, "category", "good"))
    step(f"{name} mask", lambda: api.upload_segmentations(rid, mask(place), {1: "mask"}, frame_index=[frame]))
    if "labels" in place:
        step(f"{name} volume", lambda: api.upload_segmentations(rid, place["labels"], {1: "one", 2: "two"}))


def with_api(api, name, place):
    draw = api.annotations
    old = VERSION == "2.5.0"
    rid, frame, (p, q) = place["id"], place["frame"], place["line"]
    metadata = {}
    if old and place["path"].endswith(".dcm"):
        metadata = {"dicom_metadata": pydicom.dcmread(place["path"], stop_before_pixels=True)}
    step(f"{name} line", lambda: draw.add_line_annotation(p, q, rid, "line", frame_index=frame, **metadata))
    if hasattr(draw, "add_box_annotation"):
        step(f"{name} box", lambda: draw.add_box_annotation(p, q, rid, "box", frame_index=frame))
    step(f"{name} category", lambda: draw.create_image_classification(rid, "category", "good"))
    step(f"{name} mask", lambda: draw.upload_segmentations(rid, mask(place), {(1, 1, 1): "mask"}, frame_index=[frame]))
    if "labels" in place:
        volume = draw.upload_segmentations if old else draw.upload_volume_segmentation
        step(f"{name} volume", lambda: volume(rid, place["labels"], {1: "one", 2: "two"}))
    if hasattr(draw, "add_point_annotation"):
        middle = [p[0], q[1]]
        step(f"{name} point", lambda: draw.add_point_annotation(p, rid, "point", frame_index=frame))
        step(f"{name} outline", lambda: draw.add_polyline_annotation([p, middle, q], rid, "outline", frame_index=frame))
        step(f"{name} label", lambda: draw.add_label_annotation(rid, "label"))
        step(f"{name} text", lambda: draw.add_text_annotation(rid, "text", "ünï", frame_index=frame))
        step(f"{name} number", lambda: draw.create_numeric_annotation(rid, "number", 2.5, units="mm"))
        step(f"{name} count", lambda: draw.create_numeric_annotation(rid, "count", 3))
        step(f"{name} frames", lambda: draw.add_category_annotation(rid, "frames", "good", frame_range=(0, frame + 1)))


if sys.argv[2] == "handler":
    for each in plan.items():
        with_handler(*each)
else:
    from datamint.api.client import Api

    api = Api()
    for each in plan.items():
        with_api(api, *each)
print(json.dumps(outcome, default=str))
