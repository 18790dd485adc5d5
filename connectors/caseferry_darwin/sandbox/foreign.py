"""Other formats of exports: COCO and Pascal VOC, made from Darwin JSON documents."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry_darwin.sandbox.fields import Json


def coco(documents: list[Json]) -> Iterator[tuple[str, str]]:
    """One COCO file with the boxes, polygons and tags of all items.

    Boxes become rings of four corners, and category numbers are the CRC-32 of the name, as in real exports.
    """
    today = dt.datetime.now(dt.UTC)
    images: list[Json] = []
    annotations: list[Json] = []
    categories: dict[str, int] = {}
    tags: dict[str, int] = {}
    for document in documents:
        image = _coco_image(document)
        images.append(image)
        for annotation in document["annotations"]:
            number = zlib.crc32(annotation["name"].encode())
            if "tag" in annotation:
                tags[annotation["name"]] = number
                image["tag_ids"].append(number)
            elif "bounding_box" in annotation:
                categories[annotation["name"]] = number
                annotations.append(_coco_annotation(annotation, len(annotations) + 1, image["id"], number))
    yield (
        "output.json",
        json.dumps(
            {
                "info": {
                    "description": "Exported from Darwin",
                    "url": "n/a",
                    "version": "n/a",
                    "year": today.year,
                    "contributor": "n/a",
                    "date_created": today.strftime("%Y/%m/%d"),
                },
                "licenses": [{"url": "n/a", "id": 0, "name": "placeholder license"}],
                "images": images,
                "annotations": annotations,
                "categories": _categories(categories),
                "tag_categories": _categories(tags),
            }
        ),
    )


def _categories(found: dict[str, int]) -> list[Json]:
    return [{"id": number, "name": name, "supercategory": "root"} for name, number in sorted(found.items())]


def _coco_image(document: Json) -> Json:
    item = document["item"]
    slot = item["slots"][0]
    return {
        "license": 0,
        "file_name": item["name"],
        "coco_url": "n/a",
        "height": slot["height"],
        "width": slot["width"],
        "date_captured": "",
        "flickr_url": "n/a",
        "darwin_url": slot["source_files"][0]["url"],
        "darwin_workview_url": item["source_info"]["workview_url"],
        "id": zlib.crc32(item["source_info"]["item_id"].encode()),
        "tag_ids": [],
    }


def _coco_annotation(annotation: Json, number: int, image: int, category: int) -> Json:
    box = annotation["bounding_box"]
    left, top, right, bottom = box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]
    rings = [[left, top, right, top, right, bottom, left, bottom]]
    if "polygon" in annotation:
        rings = [
            [value for point in path for value in (point["x"], point["y"])] for path in annotation["polygon"]["paths"]
        ]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": rings,
        "area": sum(_area(ring) for ring in rings),
        "bbox": [box["x"], box["y"], box["w"], box["h"]],
        "iscrowd": 0,
        "extra": {},
    }


def _area(ring: list[float]) -> float:
    across, down = ring[0::2], ring[1::2]
    pairs = zip(across, down, [*across[1:], across[0]], [*down[1:], down[0]], strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in pairs)) / 2


def pascal_voc(documents: list[Json]) -> Iterator[tuple[str, str]]:
    """One XML file for each item, with its boxes and the boxes around its polygons."""
    for document in documents:
        item = document["item"]
        slot = item["slots"][0]
        root = ET.Element("annotation")
        _say(root, folder="images", filename=item["name"], path=f"images/{item['name']}")
        _say(ET.SubElement(root, "source"), database="darwin")
        _say(ET.SubElement(root, "size"), width=slot["width"], height=slot["height"], depth=3)
        _say(root, segmented=0)
        for annotation in document["annotations"]:
            if "bounding_box" in annotation:
                entry = ET.SubElement(root, "object")
                _say(entry, name=annotation["name"], pose="Unspecified", truncated=0, difficult=0)
                box = annotation["bounding_box"]
                _say(
                    ET.SubElement(entry, "bndbox"),
                    xmin=round(box["x"]),
                    ymin=round(box["y"]),
                    xmax=round(box["x"] + box["w"]),
                    ymax=round(box["y"] + box["h"]),
                )
        yield f"{PurePosixPath(item['name']).stem}.xml", ET.tostring(root, encoding="unicode")


def _say(element: ET.Element, **texts: object) -> None:
    for name, value in texts.items():
        ET.SubElement(element, name).text = str(value)
