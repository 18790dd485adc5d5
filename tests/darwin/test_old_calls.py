"""Coming from darwin-py: its documented calls and commands, what is written instead, and that it does what it says.

`ROWS` is the table of the documentation; `new` is what runs here. In it, `team` is a `caseferry_darwin.Darwin()`,
`dataset` was opened with `cf.connect("darwin:TEAM/DATASET")`, and `item` is one of its items: a picture with a box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

import caseferry as cf
from caseferry import exchange
from caseferry.cli import main
from caseferry.imaging.kinds import Kind
from caseferry_darwin import Darwin
from caseferry_darwin.sandbox import API_KEY, TEAM
from old_calls import Row, fails, run

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from darwin_scene import Scene


ROWS = [
    Row(
        "client = Client.from_api_key(key)",
        "Darwin(api_key=key)",
        "result.team == 'sandbox-team'",
        "Darwin() and cf.connect read DARWIN_API_KEY and ~/.darwin/config.yaml, as Client.local() does.",
    ),
    Row(
        "client.list_remote_datasets()",
        "[each.slug for each in team.datasets()]",
        "'sandbox' in result",
        "Or caseferry ls darwin:",
    ),
    Row(
        "client.get_remote_dataset('team/dataset')",
        "cf.connect('darwin:sandbox-team/sandbox')",
        "result.url == dataset.url",
    ),
    Row("client.create_dataset('Chest CT')", "team.create_dataset('Chest CT')", "result.place.dataset == 'chest-ct'"),
    Row(
        "dataset.remove_remote()",
        "team.create_dataset('Old')\nteam.remove_dataset('Old')\n[each.name for each in team.datasets()]",
        "'Old' not in result",
        "Darwin archives it.",
    ),
    Row(
        "dataset.push([path], path='a')",
        "dataset.put(cf.Case('a/new', images=[cf.Image('picture', path)], folder='a'))",
        "result.state == 'ready' and result.case().folder == 'a'",
        "Waits until it is processed; calling again goes on where it stopped. Thousands: cf.transfer.",
    ),
    Row(
        "dataset.push([path], extract_views=True, fps=5, as_frames=True)",
        "cf.connect(dataset.url, mapping={'darwin': {'roles': {'ct': {'extract_views': True}, 'clip': {'fps': 5}}}})",
        "result.place.displays.of('clip').fps == 5 and result.place.displays.of('ct').extract_views",
        "For each role, in the mapping, so that every case is treated alike.",
    ),
    Row(
        "MultiFileItem(path, files, merge_mode=ItemMergeMode.SLOTS)",
        "dataset.put(cf.Case('pair', images=[cf.Image('t1', path), cf.Image('t2', path)]))",
        "[image.role for image in result.case().images] == ['t1', 't2']",
        "A case may have several images; channels: merge = 'channels' in the mapping.",
    ),
    Row(
        "requests.post(f'{url}/v2/teams/{team}/items/register_existing', json=payload)",
        "stored = cf.connect(f'{dataset.url}?storage=sandbox-bucket')\n"
        "stored.put(cf.Case('far', images=[cf.Image('picture', there)]))",
        "result.state == 'ready'",
        "Files that lie in the storage's bucket are registered where they lie: checked first, ten items in a request.",
    ),
    Row("dataset.fetch_remote_files()", "list(dataset.items())", "[each.id for each in result] == [item.id]"),
    Row(
        "dataset.fetch_remote_files({'statuses': 'new', 'item_name_contains': 'on'})",
        "list(dataset.items(statuses='new', name_contains='on'))",
        "[each.id for each in result] == [item.id]",
        "Also names, paths, ids, labels, stages, assignees, has_comments, archived; with not_ in front: all others.",
    ),
    Row("darwin dataset files team/dataset", "main(['ls', dataset.url])", "result == 0", "caseferry ls URL"),
    Row("dataset.workview_url_for_item(file)", "item.url", "item.id in result"),
    Row(
        "import_annotations(dataset, importer, files, append=True)",
        "dataset.annotate(item, [cf.Point('picture', (2, 3), label='tip')])",
        "{each.kind for each in result.case().annotations} == {'box', 'point'}",
        "Files of annotations: exchange.read(path, image) gives what is passed here.",
    ),
    Row(
        "import_annotations(dataset, importer, files, append=False)",
        "old = item.case().annotations[0]\n"
        "dataset.annotate(item, [cf.Box('picture', [(0, 0), (2, 2)], label='region', id=old.id)], replace=True)",
        "[each.points for each in result.case().annotations] == [((0.0, 0.0), (2.0, 2.0))]",
        "Replaces those of the same id, and no others.",
    ),
    Row(
        "dataset.fetch_remote_classes()",
        "dataset.offered()['labels']",
        "'region' in result",
        "By name, with their types.",
    ),
    Row(
        "dataset.create_annotation_class(name, type)",
        "label = cf.Label('picture', label='new class')\n"
        "dataset.put(cf.Case('new', images=item.case().images, annotations=[label]), unmapped='create')\n"
        "dataset.offered()['labels']",
        "'new class' in result",
        "Classes are made when an annotation needs them and unmapped= says create (--create-missing).",
    ),
    Row("dataset.archive({'item_ids': [id]})", "dataset.archive(item)", "result == 1 and not list(dataset.items())"),
    Row(
        "dataset.restore_archived({'item_ids': [id]})",
        "dataset.archive(item)\ndataset.restore(item)",
        "result == 1 and len(list(dataset.items())) == 1",
    ),
    Row(
        "dataset.delete_items({'item_ids': [id]})",
        "dataset.delete_items([item])",
        "result == 1 and not list(dataset.items(archived=True))",
        "No call means every item: what is done is done to items that are named.",
    ),
    Row(
        "dataset.move_to_new(filters)\ndataset.complete(filters)",
        "dataset.set_status(item, 'complete')\ndataset.get(item.id).native['status']",
        "result == 'complete'",
        "new, annotate, review or complete, where the dataset's workflow has such a stage.",
    ),
    Row("dataset.reset(filters)", "dataset.delete(item)\ndataset.find('one')", "result is None", "Put the case anew."),
    Row(
        "darwin dataset comment team/dataset file 'text' x y w h",
        "dataset.comment(item, 'look here', (1, 1, 3, 3))\nlist(dataset.items(has_comments=True))",
        "[each.id for each in result] == [item.id]",
    ),
    Row(
        "release = dataset.get_release('all')\ndataset.pull(release=release)",
        "list(dataset.release('all'))",
        "[case.title for case in result] == ['one'] and result[0].images[0].files[0].read() == path.read_bytes()",
        "Cases, one at a time, of a release in Darwin JSON 2.0.",
    ),
    Row(
        "dataset.pull()",
        "list(cf.transfer(dataset, f'local:{folder}', journal=folder / 'journal.db').counts.values())",
        "result == [1]",
        "Needs no release, and goes on after a break.",
    ),
    Row(
        "export_annotations(exporter, files, folder)\ndarwin dataset convert team/dataset coco",
        "case = item.case()\nexchange.write(folder / 'one.coco.json', case.annotations, case.images[0])",
        "not result.left_out and (folder / 'one.coco.json').exists()",
        "Also DICOM SEG, RTSTRUCT, 3D Slicer, label maps: caseferry annotations write",
    ),
    Row(
        "dataset.split_dataset(...)",
        "sorted(item.case().id for item in dataset.items())",
        "result == ['one']",
        "Not offered: a split is a choice of names, and transfer --select takes them from files.",
    ),
    Row(
        "client.get_external_storage('name')",
        "[each['name'] for each in team.storages()]",
        "'sandbox-bucket' in result",
    ),
]


@pytest.fixture
def names(scene: Scene, samples: Samples) -> dict[str, Any]:
    """What the right column finds."""
    dataset = scene.open()
    image = samples.image(Kind.PICTURE, "picture")
    item = dataset.put(
        cf.Case("one", images=[image], annotations=[cf.Box("picture", [(1, 1), (4, 4)], label="region")])
    )
    path = image.files[0].path
    assert path is not None
    there = scene.stored("sandbox-bucket", "far.png", path.read_bytes())
    return {
        "cf": cf,
        "Darwin": Darwin,
        "main": main,
        "exchange": exchange,
        "fails": fails,
        "key": API_KEY,
        "team": Darwin(),
        "dataset": dataset,
        "item": item,
        "path": path,
        "there": there,
        "folder": scene.folder,
    }


def release(scene: Scene) -> None:
    """Have the platform make a release of the dataset."""
    url = f"{scene.sandbox.variables['DARWIN_BASE_URL']}/api/v2/teams/{TEAM}/datasets/sandbox/exports"
    body = {"name": "all", "format": "darwin_json_2", "filters": {"statuses": ["new"]}}
    requests.post(url, json=body, headers={"Authorization": f"ApiKey {API_KEY}"}, timeout=10).raise_for_status()
    scene.sandbox.settle()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.old.partition("(")[0][:40])
def test_what_is_written_instead(row: Row, scene: Scene, names: dict[str, Any]) -> None:
    if "release(" in row.new:
        release(scene)
    try:
        run(row.new, row.holds, names)
    finally:
        for value in names.values():
            if isinstance(value, cf.Dataset | Darwin):
                value.close()


def test_every_row_says_all() -> None:
    assert all(row.old and row.new and row.holds for row in ROWS)
    assert len({row.old for row in ROWS}) == len(ROWS)
