"""Coming from gcapi: each call of its older documentation, what is written instead, and that it does what it says.

`ROWS` is the table of the documentation; `new` is what runs here. In it, `archive` and `study` were opened with
`cf.connect("grand-challenge:SLUG")` and `cf.connect("grand-challenge:reader-studies/SLUG")`; `item` is an item of the
archive with a CT image, a generic overlay and a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gcapi
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge import GrandChallengeConnector, from_client
from old_calls import fails, run

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene


@dataclass(frozen=True)
class Row:
    """One call.

    Attributes
    ----------
    old : the call of gcapi as its archives tutorial had it
    gcapi : what became of it in gcapi 0.16
    new : what is written instead; lines of Python, the last of which is the result
    holds : what is true then
    note : what is different, in words
    """

    old: str
    gcapi: str
    new: str
    holds: str
    note: str = ""


ROWS = [
    Row(
        "client = gcapi.Client(token=token)",
        "the same",
        "account = from_client(client)\naccount.open('sandbox')",
        "result.url == archive.url",
        "Or cf.connect('grand-challenge:SLUG'), which reads GRAND_CHALLENGE_AUTHORIZATION itself.",
    ),
    Row(
        'client(url="https://grand-challenge.org/api/v1/archives/")["results"]',
        "client.archives.iterate_all()",
        "list(GrandChallengeConnector().datasets())",
        "'grand-challenge:sandbox' in result and 'grand-challenge:reader-studies/sandbox-study' in result",
        "All of them, not the first hundred.",
    ),
    Row(
        'for archive in archives:\n    if archive["name"] == archive_name: ...',
        "client.archives.detail(slug=slug); the key is title, and there is no name",
        "cf.connect('grand-challenge:Sandbox')",
        "result.place.title == 'Sandbox' and result.url == 'grand-challenge:sandbox'",
        "By slug, title or identifier.",
    ),
    Row(
        "next(client.archives.iterate_all(params={'slug': slug}))",
        "client.archives.detail(slug=slug)",
        "cf.connect('grand-challenge:sandbox')",
        "result.place.slug == 'sandbox'",
    ),
    Row(
        "list(client.archive_items.iterate_all(params={'archive': archive['pk']}))",
        "the same, with archive.pk",
        "list(archive.items())",
        "[each.case_id for each in result] == ['one']",
        "Complete even when others change items meanwhile.",
    ),
    Row(
        "item['pk']",
        "item.pk",
        "item.id",
        "archive.get(result).case_id == 'one'",
    ),
    Row(
        "value['interface']",
        "value.socket",
        "[each['socket']['slug'] for each in item.native['values']]",
        "set(result) >= {'ct-image', 'generic-overlay', 'report'}",
        "Rarely needed: item.case() gives images, values, annotations and attachments.",
    ),
    Row(
        "client(url='.../cases/images/', params={'archive': pk})['results']",
        "client.images.iterate_all(params={'archive': pk})",
        "[image for item in archive.items() for image in item.case().images]",
        "[image.role for image in result] == ['ct', 'overlay']",
    ),
    Row(
        "client(url=file, follow_redirects=True).content",
        "client.images.download(pk=image.pk, output_directory=folder)",
        "list(cf.transfer(archive, f'local:{folder}', journal=folder / 'journal.db').counts.values())",
        "result == [1] and len(list(folder.glob('one/images/*/*.mha'))) == 2",
        "Streamed, resumed, checked, and with everything else of the case. A single file: image.files[0].open().",
    ),
    Row(
        "client.download_socket_value(value, output_directory=folder)",
        "the same",
        "item.case().attachments[0].file.read()",
        "result == b'%PDF-1.4 a report'",
    ),
    Row(
        "client.upload_cases(files=files, archive=slug, interface='ct-image')",
        "client.add_case_to_archive(archive_slug=slug, title=title, values=[SocketValueSpec('ct-image', files=files)])",
        "archive.put(cf.Case(id='two', images=[cf.Image('ct-image', files)]))",
        "[image.role for image in result.case().images] == ['ct-image']",
        "One case is one item; nothing is made before everything fits, and a second call goes on where one stopped.",
    ),
    Row(
        "session = client(url=session['api_url'])\nsession['status']",
        "client.raw_image_upload_sessions.detail(pk), when the pk is known",
        "archive.put(cf.Case(id='two', images=[cf.Image('ct-image', files)])).state",
        "result is cf.State.READY",
        "Waits until the image is there; ProcessingFailed tells the session's reason.",
    ),
    Row(
        "client.upload_cases(files=[path], archive_item=item['pk'], interface='generic-overlay')",
        "client.update_archive_item(archive_item_pk=pk, values=[SocketValueSpec('mr-image', files=[path])])",
        "archive.fill(item, {'mr-image': cf.Image('mr', files)})",
        "np.array_equal(result.case().image('mr-image').voxels(), voxels)",
        "plan_fill tells beforehand what would be replaced.",
    ),
    Row(
        "client.update_archive_item(archive_item_pk=pk, values={'report': [Path('report.pdf')], 'lung-volume': 1.9})",
        "a list: [SocketValueSpec('report', file=Path('report.pdf')), SocketValueSpec('lung-volume', value=1.9)]",
        "archive.fill(item, {'report': folder / 'new.pdf', 'lung-volume': 1.9})",
        "result.case().values['lung-volume'] == 1.9 and "
        "[each.file.opener is not None for each in result.case().attachments] == [True]",
    ),
    Row(
        "client.update_archive_item(archive_item_pk=pk, values={'ct-image': [Path('other.mha')]})",
        "client.update_archive_item(archive_item_pk=pk, values=[SocketValueSpec('ct-image', files=[path])])",
        "archive.plan_fill(item, {'ct-image': cf.Image('ct', files)})",
        "any('ct-image' in text for text in result.irreversible) and "
        "[image.role for image in item.case().images] == ['ct', 'overlay']",
        "The image that was there is gone for everybody: the plan says so.",
    ),
    Row(
        "client.update_archive_item(archive_item_pk=pk, values={'heat-map': image['api_url']})",
        "SocketValueSpec('heat-map', existing_image_api_url=image.api_url); the old socket keeps it",
        "archive.retype(item, 'generic-overlay', 'heat-map')",
        "archive.stored(result, 'heat-map') == archive.stored(item, 'generic-overlay') and "
        "'generic-overlay' not in sockets(result)",
        "No bytes are moved. archive.fill(item, {'heat-map': archive.stored(item, 'generic-overlay')}) keeps both.",
    ),
    Row(
        "client.add_cases_to_archive(...)",
        "raises NotImplementedError; client.add_case_to_archive",
        "[archive.put(case).case_id for case in cases]",
        "result == ['three', 'four']",
        "Thousands, over days: cf.transfer.",
    ),
    Row(
        "client.add_cases_to_reader_study(reader_study=slug, display_sets=[...])",
        "raises NotImplementedError; client.add_case_to_reader_study",
        "study.put(item.case())",
        "result.case_id == 'one' and study.stored(result, 'ct-image') == archive.stored(item, 'ct-image')",
        "Images that are on the platform already are shared.",
    ),
    Row(
        "client.run_external_job(...)",
        "raises NotImplementedError; client.start_algorithm_job",
        "None",
        "not hasattr(archive, 'run')",
        "Not offered: caseferry moves cases and runs nothing.",
    ),
    Row(
        "AsyncClient, client.retina_landmark_annotations, client.archives.list()",
        "removed",
        "list(archive.items(title='one'))",
        "[each.id for each in result] == [item.id]",
        "Calls are made side by side without asyncio.",
    ),
    Row(
        "deleting an archive item",
        "not possible",
        "'delete' in archive.capabilities.verbs",
        "result is False and fails(cf.UnsupportedOperation, lambda: archive.delete(item))",
        "Only Grand Challenge's support can. archive.detach(item, 'ct-image') empties a socket.",
    ),
]


def sockets(item: cf.Item) -> set[str]:
    """What of an item is filled."""
    return {value["socket"]["slug"] for value in item.native["values"]}


@pytest.fixture
def names(scene: Scene, samples: Samples) -> dict[str, Any]:
    """What the right column finds."""
    mapping = {"grand-challenge": {"images": {"ct": "ct-image", "overlay": "generic-overlay"}}}
    archive = scene.open(mapping=mapping)
    report = cf.Attachment("report", FileRef.of_bytes(b"%PDF-1.4 a report", "report.pdf"))
    images = [samples.image(Kind.NIFTI, "ct"), samples.image(Kind.METAIMAGE, "overlay")]
    item = archive.put(cf.Case(id="one", images=images, attachments=[report]))
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(scene.folder / "scan.mha"))
    (scene.folder / "new.pdf").write_bytes(b"%PDF-1.4 a new one")
    client = scene.opened.enter_context(
        gcapi.Client(
            base_url=scene.sandbox.variables["GRAND_CHALLENGE_URL"], verify=scene.sandbox.variables["CASEFERRY_CA"]
        )
    )
    return {
        "cf": cf,
        "np": np,
        "GrandChallengeConnector": GrandChallengeConnector,
        "from_client": from_client,
        "client": client,
        "archive": archive,
        "study": scene.open("reader-studies/sandbox-study", mapping=mapping),
        "item": item,
        "files": [Path(scene.folder / "scan.mha")],
        "voxels": voxels.T,
        "folder": scene.folder,
        "cases": [cf.Case(id=name, values={"lung-volume": 1.0}) for name in ("three", "four")],
        "fails": fails,
        "sockets": sockets,
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.old.partition("(")[0][:40])
def test_what_is_written_instead(row: Row, names: dict[str, Any]) -> None:
    try:
        run(row.new, row.holds, names)
    finally:
        for value in names.values():
            if isinstance(value, cf.Dataset):
                value.close()


def test_every_row_says_all() -> None:
    assert all(row.old and row.gcapi and row.new and row.holds for row in ROWS)
    assert len({row.old for row in ROWS}) == len(ROWS)
