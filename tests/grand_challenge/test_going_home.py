"""What people have put into sockets, of every kind that there is, is in the same socket again after it went away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry_grand_challenge.sandbox import schemas
from caseferry_grand_challenge.sandbox.kinds import KINDS, Family, Kind
from caseferry_grand_challenge.wire.annotations import MARKS, SEVERAL
from caseferry_grand_challenge.wire.item_calls import entry, filled_sockets
from caseferry_grand_challenge.wire.sockets import (
    DISPLACEMENT_FIELD,
    FILE_KINDS,
    IMAGE_KINDS,
    JSON_KINDS,
    MASK_KINDS,
    SIDECAR,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.connector import Item
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

SINGLE = (
    "2D bounding box",
    "Distance measurement",
    "Point",
    "Polygon",
    "Line",
    "Angle",
    "Ellipse",
    "Three-point angle",
)
MULTIPLE = (
    "Multiple 2D bounding boxes",
    "Multiple distance measurements",
    "Multiple points",
    "Multiple polygons",
    "Multiple lines",
    "Multiple angles",
    "Multiple ellipses",
    "Multiple three-point angles",
)
PLAIN = (
    "String",
    "Integer",
    "Float",
    "Bool",
    "Anything",
    "Chart",
    "Choice",
    "Multiple choice",
    "Affine transform registration",
)
FILES = (
    "PDF file",
    "CSV file",
    "ZIP file",
    "Thumbnail jpg",
    "Thumbnail png",
    "OBJ file",
    "MP4 file",
    "SQREG file",
    "Newick tree-format file",
    "BIOM format",
)
IMAGES = ("Image", "Segmentation", "Heat Map", "Displacement field", "DICOM Image Set")
"""The kinds of sockets, by how the platform names them in its documentation."""

VERSION = {"major": 1, "minor": 0}
SHAPES: dict[str, dict[str, Any]] = {
    "2D bounding box": {"corners": [[1.5, 0, 2], [4, 0, 2], [4, 3, 2], [1.5, 3, 2]]},
    "Distance measurement": {"start": [0.25, 1, 2], "end": [3, 2.75, 2]},
    "Point": {"point": [2.125, 1, 1.5]},
    "Polygon": {
        "seed_point": [2, 1.5, 1],
        "path_points": [[1, 1, 1], [3, 1, 1], [2.5, 3, 1]],
        "sub_type": "lasso",
        "groups": ["first reader"],
    },
    "Line": {"seed_points": [[0, 0, 0], [4, 3, 0]], "path_point_lists": [[[0, 0, 0], [1, 2, 0], [4, 3, 0]]]},
    "Angle": {"lines": [[[0, 0, 1], [1, 1, 1]], [[2, 1, 1], [3, 3, 1]]]},
    "Ellipse": {"major_axis": [[0, 1, 1], [4, 1, 1]], "minor_axis": [[2, 0, 1], [2, 2, 1]]},
    "Three-point angle": {"angle": [[0, 0, 1], [1, 2, 1], [4, 1, 1]]},
}
PLAIN_VALUES: dict[str, Any] = {
    "String": "seen",
    "Integer": 4,
    "Float": 1.5,
    "Bool": False,
    "Anything": {"kept": [None, 1.25, {"deep": "\N{GREEK SMALL LETTER MU}"}]},
    "Chart": {"data": {"values": []}, "mark": "bar"},
    "Choice": "mild",
    "Multiple choice": ["nodule"],
    "Affine transform registration": {"3d_affine_transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
}
STRANGE: dict[str, Any] = {
    "of a later version": {"type": "Point", "version": {"major": 2, "minor": 0}, "point": [1, 1, 1]},
    "turned": {
        "type": "2D bounding box",
        "version": VERSION,
        "corners": [[1, 0, 0], [2, 1, 0], [1, 2, 0], [0, 1, 0]],
    },
    "of two paths": {
        "type": "Line",
        "version": VERSION,
        "seed_points": [[0, 0, 0]],
        "path_point_lists": [[[0, 0, 0], [1, 1, 0]], [[2, 2, 0], [3, 3, 0]]],
    },
    "nothing found": {"type": "Multiple points", "version": VERSION, "points": []},
}
"""Values of which core's words would say something else, or nothing."""


def value_of(kind: str) -> Any:
    """A value of a JSON kind, as somebody's own client writes it."""
    if kind in SHAPES:
        return {"type": kind, "version": VERSION, "name": "P1", "probability": 0.5, **SHAPES[kind]}
    if kind in SEVERAL:
        member, single = SEVERAL[kind]
        one = {"type": single, "name": "P1", **SHAPES[single]}
        return {"type": kind, "version": VERSION, member: [one, {**one, "name": "P2"}]}
    return PLAIN_VALUES[kind]


def test_the_kinds_are_those_of_the_documentation() -> None:
    assert set(KINDS) == {*SINGLE, *MULTIPLE, *PLAIN, *FILES, *IMAGES}
    assert (set(SEVERAL), {single for _, single in SEVERAL.values()}) == (set(MULTIPLE), set(SINGLE))
    assert (set(MARKS), set(JSON_KINDS), set(FILE_KINDS)) == ({*SINGLE, *MULTIPLE}, set(PLAIN), set(FILES))
    assert {*IMAGE_KINDS, *MASK_KINDS, DISPLACEMENT_FIELD, "DICOM Image Set"} == set(IMAGES)


@pytest.fixture(scope="module")
def volume(world_scene: Scene) -> str:
    """The address of an image that is there."""
    sitk.WriteImage(
        sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5)), str(world_scene.folder / "ct.mha")
    )
    with cf.connect("grand-challenge:sandbox") as dataset:
        item = dataset.put(cf.Case("volume", images=[cf.Image("ct", [world_scene.folder / "ct.mha"])]))
        return str(filled_sockets(item.native)["ct-image"]["image"])


def by_hand(dataset: GrandChallengeDataset, **values: dict[str, Any]) -> Item:
    """An item that somebody makes with a client of their own."""
    client = dataset._client
    body = {"archive": dataset.place.address, "title": "by hand"}
    pk = client.request("POST", "archives/items/", json=body, what="an item").body["pk"]
    entries = [entry(slug, **source) for slug, source in values.items()]
    client.request("PATCH", f"archives/items/{pk}/", json={"values": entries}, what="its values")
    return dataset.get(pk)


def held(dataset: GrandChallengeDataset, item: Item) -> dict[str, Any]:
    """What people see in each socket: values, the content of files, the addresses of images."""
    found = {}
    for slug, value in filled_sockets(item.native).items():
        if value["file"]:
            with dataset._client.open_file(value["file"]) as stream:
                found[slug] = stream.read()
        else:
            found[slug] = value["image"] or value["value"]
    return found


def parsed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Likewise, with the files of JSON as what they say, which are written anew, and without the sidecar."""

    def read(each: Any) -> Any:
        try:
            return json.loads(each) if isinstance(each, bytes) else each
        except ValueError:
            return each

    return {slug: read(each) for slug, each in content.items() if slug not in SIDECAR}


def assert_home(scene: Scene, item: Item, dataset: GrandChallengeDataset) -> None:
    """From one archive to another, and by way of a folder to a third."""
    before = parsed(held(dataset, item))
    folder = scene.opened.enter_context(cf.connect(f"local:{scene.folder / 'cases'}"))
    assert cf.transfer(dataset, folder, journal=scene.folder / "there.db").ok
    for number, source in enumerate([dataset, folder]):
        slug = f"{scene.archive}-{number}"
        scene.standin.add_archive(slug, slug)
        target = scene.open(slug)
        report = cf.transfer(source, target, journal=scene.folder / f"{number}.db", strict=True)
        report.require_ok()
        (home,) = target.items()
        after = parsed(held(target, home))
        if source is folder:  # its images are files, which are imported anew
            assert after.keys() == before.keys()
            images = {name for name, each in before.items() if isinstance(each, str) and each.startswith("https:")}
            assert {name: each for name, each in after.items() if name not in images} == {
                name: each for name, each in before.items() if name not in images
            }
        else:
            assert after == before


def test_values_of_every_json_kind(shared: Scene, volume: str) -> None:
    """Both where the platform keeps them in its database and where it keeps them as files."""
    dataset = shared.open()
    values: dict[str, dict[str, Any]] = {"ct-image": {"image": volume}}
    for number, kind in enumerate([*SINGLE, *MULTIPLE, *PLAIN]):
        shared.standin.add_socket(f"kind-{number}", kind, in_database=True)
        values[f"kind-{number}"] = {"value": value_of(kind)}
    item = by_hand(dataset, **values)
    kinds = {each.kind for each in item.case().annotations}
    assert kinds == {"box", "line", "point", "polygon", "polyline", "angle", "ellipse"}, "all are understood"
    assert_home(shared, item, dataset)


def test_files_of_json(shared: Scene, volume: str) -> None:
    dataset = shared.open()
    contents: dict[str, Any] = {}
    for number, kind in enumerate([*MULTIPLE, "Anything", "Float", "Point", "Chart"]):
        shared.standin.add_socket(f"file-{number}", kind, in_database=False)
        contents[f"file-{number}"] = value_of(kind)
    item = dataset.fill(by_hand(dataset, **{"ct-image": {"image": volume}}), contents)
    assert parsed(held(dataset, item)) == {"ct-image": volume, **contents}
    assert_home(shared, item, dataset)


@pytest.mark.parametrize("with_image", [True, False])
def test_what_is_not_understood_is_kept_whole(shared: Scene, volume: str, *, with_image: bool) -> None:
    """Also positions where there is no image that they could lie in."""
    dataset = shared.open()
    values: dict[str, dict[str, Any]] = {"ct-image": {"image": volume}} if with_image else {}
    for number, value in enumerate([*STRANGE.values(), value_of("Polygon")]):
        shared.standin.add_socket(f"strange-{number}", value["type"], in_database=True)
        values[f"strange-{number}"] = {"value": value}
    item = by_hand(dataset, **values)
    raws = [each for each in item.case().annotations if isinstance(each, cf.Raw)]
    assert len(raws) == len(STRANGE) + (not with_image)
    assert_home(shared, item, dataset)


def test_kinds_of_sockets_that_came_later(shared: Scene, volume: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform gets new kinds from time to time; of what is in them nothing is known but that it is there."""
    for name in ("Sphere", "Multiple spheres"):
        monkeypatch.setitem(KINDS, name, Kind(name, "SPHE", Family.JSON, ".json", storable=True))
        monkeypatch.setitem(schemas.SCHEMAS, name, {})
    monkeypatch.setitem(KINDS, "Mesh", Kind("Mesh", "MESH", Family.FILE, ".mesh"))
    dataset = shared.open()
    for slug, kind in (("ball", "Sphere"), ("mesh", "Mesh")):
        shared.standin.add_socket(slug, kind)
    sphere = {"type": "Sphere", "center": [1, 2, 3], "radius": 2.5}
    item = by_hand(dataset, ball={"value": sphere}, **{"ct-image": {"image": volume}})
    (shared.folder / "a.mesh").write_bytes(b"\0mesh")
    item = dataset.fill(item, {"mesh": shared.folder / "a.mesh"})
    (raw,) = item.case().annotations
    assert (raw.kind, raw.label, [each.name for each in item.case().attachments]) == ("raw", "ball", ["mesh"])
    assert_home(shared, item, dataset)


def test_what_was_kept_whole_can_be_changed_by_others_and_taken_away(shared: Scene, volume: str) -> None:
    shared.standin.add_socket("later", "Multiple points", in_database=True)
    dataset, target = shared.open(), shared.open("sandbox")
    value = {"type": "Multiple points", "version": {"major": 3, "minor": 0}, "points": [{"point": [1, 1, 1]}]}
    case = by_hand(dataset, later={"value": value}, **{"ct-image": {"image": volume}}).case()
    item = target.put(case)
    (raw,) = item.case().annotations
    assert isinstance(raw, cf.Raw)
    other = {**value, "version": {"major": 4, "minor": 0}}
    client = target._client
    client.request(
        "PATCH", target.place.item(item.id), json={"values": [entry("later", value=other)]}, what="somebody's value"
    )
    (changed,) = target.get(item.id).case().annotations
    assert isinstance(changed, cf.Raw)
    assert (changed.id, changed.payload["value"]) == (raw.id, other)  # type: ignore[index,call-overload]
    tip = cf.Point("ct-image", (1, 1), frame=1, label="later")
    plan = target.plan_annotate(target.get(item.id), [tip])
    assert [each.kept for each in plan.losses] == ["sidecar"], "it is not mixed with what nobody understands"
    item = target.annotate(target.get(item.id), remove=[raw.id])
    assert (item.case().annotations, filled_sockets(item.native)["later"]["value"]["points"]) == ((), [])
