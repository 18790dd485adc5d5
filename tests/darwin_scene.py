"""A Darwin dataset on the stand-in, opened by the connector, and what its tests put there."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import requests
from PIL import Image as Picture

import caseferry as cf
from caseferry.files import FileRef
from caseferry_darwin.dataset import DarwinDataset
from caseferry_darwin.sandbox import API_KEY, TEAM, DarwinStandIn
from caseferry_darwin.wire.exports import case_of_document
from ledger_check import Lookup, Sent, put_and_compare
from peers import DARWIN_PY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.sandbox import Sandbox

EXPORTS = Path(__file__).parent / "data" / "darwin-exports"

LOOKUPS = (
    Lookup("GET", rf"/api/v2/teams/{TEAM}/items", ("item_names[]",), "whether the case is there already"),
    Lookup("GET", rf"/api/v2/teams/{TEAM}/items", ("page[size]",), "the item that was made"),
    Lookup("GET", rf"/api/v2/teams/{TEAM}/items/[^/]+/annotations", (), "which annotations an item has already"),
)

PATIENCE = {
    "DARWIN_RETRY_INITIAL_WAIT": "1",
    "DARWIN_RETRY_MAX_WAIT": "1",
    "DARWIN_RETRY_MAX_ATTEMPTS": "2",
    "COLUMNS": "200",
}


@dataclass
class Scene:
    """The stand-in, the connector, and darwin-py."""

    sandbox: Sandbox
    standin: DarwinStandIn
    folder: Path

    def open(self, name: str = "sandbox", **options: Any) -> DarwinDataset:
        """The connector's dataset."""
        dataset = cf.connect(f"darwin:{TEAM}/{name}", **options)
        assert isinstance(dataset, DarwinDataset)
        return dataset

    def put(self, case: cf.Case, dataset: DarwinDataset | None = None, **options: Any) -> Sent:
        """Put a case, its plan being compared with the ledger."""
        return put_and_compare(self.sandbox, dataset or self.open(), case, LOOKUPS, **options)

    def peer(self, script: str, *arguments: str) -> Any:
        """Run darwin-py in its own environment."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return DARWIN_PY.run(script, *arguments, variables={**self.sandbox.variables, **PATIENCE}, home=home)

    def draw(self, item: cf.Item, drawn: dict[str, dict[str, Any]]) -> None:
        """Import annotations as another client does, one of each type, each in a class of its own."""
        rows = [
            {
                "id": str(uuid.uuid4()),
                "annotation_class_id": self.standin.add_class(
                    f"a {kind}", [kind, *(["text"] if "text" in data else [])]
                )["id"],
                "data": data,
                "context_keys": {"slot_names": ["0"]},
            }
            for kind, data in drawn.items()
        ]
        self.bring(item, {"annotations": rows, "overwrite": "false"})

    def bring(self, item: cf.Item, body: dict[str, Any]) -> None:
        """Import to an item what another client would."""
        answer = requests.post(
            f"{self.sandbox.variables['DARWIN_BASE_URL']}/api/v2/teams/{TEAM}/items/{item.id}/import",
            headers={"Authorization": f"ApiKey {API_KEY}"},
            json=body,
            timeout=30,
        )
        assert answer.ok, answer.text

    def stored(self, storage: str, key: str, content: bytes, bucket: str = "", scheme: str = "s3") -> FileRef:
        """An object in an external storage, with a reference by which it is read and found there."""
        self.standin.put_object(storage, key, content)
        location = f"{scheme}://{bucket or storage}/{key}"
        return FileRef(location, size=len(content), opener=lambda: io.BytesIO(content))


def exported(name: str) -> tuple[dict[str, Any], cf.Case]:
    """A real export of the platform, and the case that it describes."""
    document = json.loads((EXPORTS / name).read_text())
    return document, case_of_document(document)


def flat(role: str = "picture") -> list[Any]:
    """One annotation of each kind that a still picture takes."""
    labels = np.zeros((11, 9, 1), np.uint8)
    labels[2:5, 1:3] = 1
    return [
        cf.Label(role, "artefact"),
        cf.Category(role, "quality", "good"),
        cf.Numeric(role, "length", 2.5, unit="mm"),
        cf.Text(role, "comment", "ünïcode 日本"),
        cf.Point(role, (2.5, 1.25), label="tip"),
        cf.Line(role, [(1, 1), (5.5, 3.25)], label="diameter"),
        cf.Polyline(role, [(0, 0), (3, 1), (6, 4)], label="vessel"),
        cf.Box(role, [(1, 0), (5, 4)], label="region"),
        cf.Polygon(role, [(1, 1), (5, 1), (5, 3.5), (2, 4)], label="outline"),
        cf.Ellipse(role, [(2, 4), (6, 4), (4, 1), (4, 7)], label="round"),
        cf.Mask.of_array(role, labels, {1: "spot"}, np.eye(4)),
    ]


def assert_flat_on_darwin(found: Mapping[str, Any]) -> None:
    """What darwin-py reads of `flat`, by class, is each kind's type on Darwin, with the same numbers."""
    assert {name: each["type"] for name, each in found.items()} == {
        "artefact": "tag",
        "quality": "tag",
        "length": "tag",
        "comment": "tag",
        "tip": "keypoint",
        "diameter": "line",
        "vessel": "line",
        "region": "bounding_box",
        "outline": "polygon",
        "round": "ellipse",
        "spot": "mask",
        "__raster_layer__": "raster_layer",
    }
    texts = [each["data"] for each in found["length"]["subs"] if each["annotation_type"] == "text"]
    assert texts == ["2.5 mm"]
    assert found["tip"]["data"] == {"x": 2.5, "y": 1.25}
    assert found["region"]["data"] == {"x": 1, "y": 0, "w": 4, "h": 4}
    assert found["outline"]["data"]["paths"] == [[{"x": x, "y": y} for x, y in [(1, 1), (5, 1), (5, 3.5), (2, 4)]]]


def picture(width: int = 10, height: int = 8, kind: str = "PNG", seed: int = 0) -> bytes:
    """A small picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Picture.fromarray(pixels).save(stream, kind)
    return stream.getvalue()
