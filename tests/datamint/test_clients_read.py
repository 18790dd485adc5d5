"""What caseferry puts into a project, the official clients list, download and place as it was meant."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

import caseferry as cf
from caseferry.imaging.kinds import Kind
from datamint_shapes import CLIENTS, FRAME, LINE, SHAPE, SLICES, SPOT, VOLUMES, drawings, labels, resources

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from datamint_scene import Scene

pytestmark = pytest.mark.peer

TRACKED = (1, 3)
"""The planes of a track."""


def read(scene: Scene, client: str) -> dict[str, Any]:
    peer, kind = CLIENTS[client]
    found: dict[str, Any] = scene.peer(peer, "datamint_read.py", "sandbox", kind)
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_every_kind_of_image_comes_back_byte_for_byte(scene: Scene, samples: Samples, client: str) -> None:
    kinds = [kind for kind in Kind if kind not in {Kind.METAIMAGE, Kind.NRRD}]
    images = [samples.image(kind) for kind in kinds]
    scene.put(cf.Case("all kinds", images=images, tags=["a b", "ü"]))

    found = read(scene, client)["resources"]

    sent = sorted(hashlib.sha256(ref.read()).hexdigest() for image in images for ref in image.files)
    assert sorted(each["sha256"] for each in found) == sent
    assert all({"a b", "ü"} < set(each["tags"]) for each in found if "tags" in each)


@pytest.mark.parametrize("client", CLIENTS)
def test_annotations_are_listed_as_they_were_meant(scene: Scene, samples: Samples, client: str) -> None:
    """On a picture, where the platform's coordinates are pixels."""
    new = client == "Api 2.45.0"
    scene.standin.boxes_as_sent = False
    shown = [each for each in drawings("picture") if new or not isinstance(each, cf.Numeric | cf.Text | cf.Box)]
    scene.put(cf.Case("drawn on", images=[samples.image(Kind.PICTURE)], annotations=shown))

    result = read(scene, client)

    assert "unlisted" not in result
    found = {row["identifier"]: row for row in result["annotations"]}
    assert len(found) == len(result["annotations"]) == len(shown) + 1
    types = {label: row["annotation_type"] for label, row in found.items()}
    expected = {"tip": "point", "diameter": "line", "vessel": "region", "outline": "region", "spot": "segmentation"}
    expected |= {"dot": "segmentation", "artefact": "label", "quality": "category"}
    if new:
        expected |= {"length": "float", "count": "integer", "comment": "text", "region": "square"}
        assert (found["length"]["numeric_value"], found["count"]["numeric_value"]) == (2.5, 3)
        assert found["comment"]["text_value"] == "ünïcode 日本"
    assert types == expected
    assert found["quality"]["text_value"] == "good"
    assert points(found["diameter"]) == [[1, 1, 0], [5.5, 3.25, 0]]
    assert found["spot"]["mask"] == {
        "shape": [9, 11],
        "set": [[row, column] for row in (1, 2) for column in (2, 3, 4)],
        "values": [0, 255],
    }
    assert found["dot"]["mask"]["set"] == [[8, 7]]


def kept(scene: Scene, row: dict[str, Any]) -> dict[str, Any]:
    """What the platform holds of an annotation."""
    record: dict[str, Any] = scene.standin.state["annotations"][row["id"]]
    return record


def points(row: dict[str, Any]) -> Any:
    geometry = row["geometry"]
    return [list(point) for point in (geometry["points"] if isinstance(geometry, dict) else geometry)]


@pytest.mark.parametrize("client", ["APIHandler 2.5.0", "Api 2.16.0", "Api 2.45.0"])
def test_masks_on_volumes_lie_in_the_same_voxels(scene: Scene, client: str) -> None:
    files = resources(scene.folder)
    for name in VOLUMES:
        mask = cf.Mask("ct", scene.folder / f"{name}-labels.nii.gz", {1: "one", 2: "two"})
        scene.open().put(cf.Case(name, images=[cf.Image("ct", files[name][0])], annotations=[mask]))

    result = read(scene, client)

    names = {each["id"]: each["filename"].removesuffix(".nii.gz") for each in result["resources"]}
    assert len(result["annotations"]) == 2 * len(VOLUMES)
    for row in result["annotations"]:
        name = names[row["resource_id"]]
        wanted = {"one": 1, "two": 2}[row["identifier"]]
        assert row["mask"]["set"] == np.argwhere(labels() == wanted).tolist()
        np.testing.assert_allclose(row["mask"]["affine"], nib.load(files[name][0]).affine, atol=1e-4)


@pytest.mark.parametrize("client", ["APIHandler 2.5.0", "Api 2.16.0", "Api 2.45.0"])
def test_masks_and_tracks_lie_on_the_frames_that_are_shown(scene: Scene, client: str) -> None:
    """A multi-frame file whose frames lie against their order in space, and slices that are resources of their own."""
    files = resources(scene.folder)
    series = sorted((scene.folder / "series").glob("*.dcm"))
    for name, image in {"frames": cf.Image("ct", files["frames"][0]), "series": cf.Image("ct", series)}.items():
        voxels = np.zeros(SHAPE, np.uint8)
        voxels[(*SPOT, SLICES["frames"])] = 1
        assert image.geometry is not None
        mask = cf.Mask.of_array("ct", voxels, {1: "spot"}, image.geometry.affine)
        track = cf.Track("ct", [cf.Category("ct", "phase", "late", frame=1)], ranges=[TRACKED])
        scene.open().put(cf.Case(name, images=[image], annotations=[mask, track]), phi="keep")

    result = read(scene, client)

    names = {each["id"]: each["filename"] for each in result["resources"]}
    followed = [row for row in result["annotations"] if row["annotation_type"] == "category"]
    assert {(row["identifier"], row["text_value"], row["scope"]) for row in followed} == {("phase", "late", "frame")}
    many = dcmread(files["frames"][0]).PerFrameFunctionalGroupsSequence
    places = {"frames.dcm": [each.PlanePositionSequence[0].ImagePositionPatient for each in many]}
    for path in series:
        places[path.name] = [dcmread(path).ImagePositionPatient]
    affine = VOLUMES["up"]
    heights = [
        np.linalg.solve(affine[:3, :3], np.array(places[names[row["resource_id"]]][row["frame_index"]]) - affine[:3, 3])
        for row in followed
    ]
    planes = sorted(round(height[2]) for height in heights)
    assert planes == sorted([*range(TRACKED[0], TRACKED[1] + 1)] * 2)
    rows = {names[row["resource_id"]]: row for row in result["annotations"] if row not in followed}
    if client == "Api 2.16.0":  # reads every mask as one of the whole image, whichever frame it names
        rows = {name: row | {"frame_index": kept(scene, row)["frame_index"]} for name, row in rows.items()}
    assert rows["frames.dcm"]["frame_index"] == FRAME
    (alone,) = set(rows) - {"frames.dcm"}
    place = affine[:3, 3] + affine[:3, 2] * SLICES["frames"]
    assert np.allclose(dcmread(scene.folder / "series" / alone).ImagePositionPatient, place)
    assert rows[alone]["frame_index"] == 0
    assert all(row["mask"]["set"] == [[SPOT[1], SPOT[0]]] for row in rows.values())


@pytest.mark.parametrize(
    ("client", "annotation"),
    [
        ("Api 2.5.0", cf.Numeric("picture", "count", 3)),
        ("Api 2.16.0", cf.Text("picture", "comment", "some")),
        ("Api 2.16.0", cf.Box("picture", [(1, 0), (5, 4)], label="region")),
    ],
)
def test_what_only_the_newest_client_knows_makes_the_others_refuse_the_list(
    scene: Scene, samples: Samples, client: str, annotation: cf.Annotation
) -> None:
    """Numbers, texts and boxes are written as clients from 2.45 on read them: no form of a box suits all."""
    scene.put(cf.Case("new", images=[samples.image(Kind.PICTURE)], annotations=[annotation]))
    assert len(read(scene, client)["unlisted"]) == 1


def test_geometry_goes_out_as_the_newest_client_writes_it(scene: Scene) -> None:
    """The same line, box and point on the same frame, drawn by the client and by caseferry."""
    plan = scene.stage(resources(scene.folder))
    peer, kind = CLIENTS["Api 2.45.0"]
    scene.peer(peer, "datamint_draw.py", str(scene.folder / "plan.json"), kind)
    theirs = {(row["resource_id"], row["identifier"]): row for row in scene.standin.state["annotations"].values()}
    for name, place in plan.items():
        if name == "coronal":
            continue
        frame = SLICES.get(name, 0)
        dataset = scene.open()
        item = dataset.get(place["id"])
        mine = [
            cf.Line("image", LINE, label="my line", frame=frame),
            cf.Box("image", LINE, label="my box", frame=frame),
            cf.Point("image", LINE[0], label="my point", frame=frame),
            cf.Polyline("image", [LINE[0], (2, 3), LINE[1]], label="my outline", frame=frame),
        ]
        dataset.annotate(item, mine, phi="keep")
    ours = {(row["resource_id"], row["identifier"]): row for row in scene.standin.state["annotations"].values()}
    for (rid, label), row in ours.items():
        if not label.startswith("my "):
            continue
        wanted = theirs[rid, label.removeprefix("my ")]
        assert (row["annotation_type"], row["scope"], row["frame_index"]) == (
            wanted["annotation_type"],
            wanted["scope"],
            wanted["frame_index"],
        )
        corners = slice(None, None, 3) if label == "my box" else slice(None)  # the client's other two may be off
        np.testing.assert_allclose(points(row)[corners], points(wanted)[corners], atol=1e-4)
        for vector in ("viewPlaneNormal", "viewUp"):
            assert (vector in row["geometry"]) == (vector in wanted["geometry"])
            if vector in row["geometry"]:
                np.testing.assert_allclose(row["geometry"][vector], wanted["geometry"][vector], atol=1e-5)
