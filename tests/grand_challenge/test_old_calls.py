"""Coming from gcapi: each call of its older documentation, what is written instead, and that it does what it says.

`ROWS` is the table of the documentation; `new` is what runs here. In it, `archive` and `study` were opened with
`cf.connect("grand-challenge:SLUG")` and `cf.connect("grand-challenge:reader-studies/SLUG")`; `item` is an item of the
archive with a CT image, a generic overlay and a report.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gcapi
import httpx
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from gcapi.client import ApiDefinitions

import caseferry as cf
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge import GrandChallengeConnector, from_client
from grand_challenge_scene import series, volume
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
    Row(
        "client.archives.detail(pk=pk), client.archives.page(offset=0, limit=10)",
        "the same",
        "cf.connect(f'grand-challenge:{archive.place.pk}')",
        "result.url == archive.url",
    ),
    Row(
        "client.archive_items.detail(pk=pk)",
        "the same",
        "archive.get(item.id)",
        "result.case().id == 'one'",
    ),
    Row(
        "client.archive_items.page(offset=0, limit=10)",
        "the same",
        "list(islice(archive.items(), 10))",
        "[each.id for each in result] == [item.id]",
        "A page is asked for when it is come to.",
    ),
    Row(
        "client.archive_items.create(archive=url, values=[])",
        "the same; values come by client.archive_items.partial_update",
        "archive.put(cases[0])",
        "result.case().values == {'lung-volume': 1.0}",
        "With what is in it, or not at all; again, and it is completed.",
    ),
    Row(
        "client.archive_items.partial_update(pk=pk, values=[...])",
        "the same, or client.update_archive_item",
        "archive.fill(item, {'lung-volume': 2.5})",
        "result.case().values['lung-volume'] == 2.5 and 'ct-image' in sockets(result)",
    ),
    Row(
        "client.archive_items.update(pk=pk, values=[...])",
        "the same: what is not named is taken out",
        "archive.detach(item, 'report')",
        "'report' not in sockets(result) and 'ct-image' in sockets(result)",
        "What is to stay need not be named. plan_detach tells what is gone for everybody.",
    ),
    Row(
        "client.archive_items.delete(pk=pk)",
        "answers 403",
        "fails(cf.UnsupportedOperation, lambda: archive.delete(item))",
        "result",
        "Said before anything is asked.",
    ),
    Row(
        "client.images.detail(pk=pk)",
        "the same",
        "item.case().image('ct')",
        "result.geometry.shape and result.voxels().size",
        "With its grid, and its voxels when they are asked for.",
    ),
    Row(
        "client.images.page(offset=0, limit=10), client.images.iterate_all(params={'origin': session})",
        "the same",
        "[image.role for item in archive.items(socket='ct-image') for image in item.case().images]",
        "result == ['ct', 'overlay']",
    ),
    Row(
        "client.interfaces.iterate_all(), client.interfaces.page(), client.interfaces.detail(slug=slug)",
        "the same",
        "archive.offered()",
        "result['images']['ct-image'] == 'Image' and result['attachments']['report'] == 'PDF file'",
        "By the parts of a case that they may hold; caseferry mapping init writes a first mapping.",
    ),
    Row(
        "client.uploads.upload_fileobj(fileobj=f, filename=name), client.uploads.upload_multiple_fileobj(...)",
        "the same; in steps: client.uploads.create, client.uploads.generate_presigned_urls, "
        "client.uploads.complete_multipart_upload",
        "archive.plan_fill(item, {'report': folder / 'new.pdf'})",
        "[call.method for call in result.calls][:4] == ['POST', 'PATCH', 'PUT', 'PATCH'] and "
        "result.calls[0].target == 'uploads/'",
        "Part of put and fill; a plan shows each call.",
    ),
    Row(
        "client.uploads.list_parts(...), client.uploads.abort_multipart_upload(...), client.uploads.detail(pk=pk), "
        "client.uploads.iterate_all(), client.uploads.page()",
        "the same",
        "None",
        "not hasattr(archive, 'uploads')",
        "Not needed: a part that was cut is sent again, and what was never used is removed after a day.",
    ),
    Row(
        "client.raw_image_upload_sessions.iterate_all(), client.raw_image_upload_sessions.page()",
        "the same",
        "junk = cf.Case('junk', images=[cf.Image('ct', no_image)])\nfails(cf.InvalidCase, lambda: archive.put(junk))",
        "result",
        "What the platform could not import is refused beforehand; what it did not, ProcessingFailed tells.",
    ),
    Row(
        "client.reader_studies.iterate_all(), client.reader_studies.page(), client.reader_studies.detail(slug=slug)",
        "the same",
        "cf.connect('grand-challenge:reader-studies/sandbox-study')",
        "result.place.kind == 'reader-study' and result.place.title == 'Sandbox Study'",
    ),
    Row(
        "client.add_case_to_reader_study(reader_study=slug, values=[])\nclient.reader_studies.display_sets.create(...)",
        "the same",
        "study.put(cases[0])",
        "result.case().values == {'lung-volume': 1.0} and study.put(cases[0]).id == result.id",
    ),
    Row(
        "client.reader_studies.display_sets.iterate_all(params={'reader_study': pk}), "
        "client.reader_studies.display_sets.page(), client.reader_studies.display_sets.detail(pk=pk)",
        "the same",
        "study.put(cases[0])\n[study.get(each.id).case_id for each in study.items()]",
        "result == ['three']",
        "Also items(user=name, unanswered_by_user=True).",
    ),
    Row(
        "client.update_display_set(display_set_pk=pk, values=[...]), "
        "client.reader_studies.display_sets.partial_update(...), client.reader_studies.display_sets.update(...)",
        "the same",
        "there = study.put(item.case())\nstudy.detach(study.fill(there, {'lung-volume': 3.5}), 'report')",
        "result.case().values == {'lung-volume': 3.5} and 'report' not in sockets(result)",
    ),
    Row(
        "client.reader_studies.display_sets.delete(pk=pk)",
        "answers 405",
        "fails(cf.UnsupportedOperation, lambda: study.delete(study.put(cases[0])))",
        "result",
    ),
    Row(
        "SocketValueSpec('lung-volume', existing_socket_value=value)",
        "the same",
        "archive.fill(archive.put(cases[0]), {'slice-count': 7, 'report': item.case().attachments[0].file})",
        "result.case().values['slice-count'] == 7 and 'report' in sockets(result)",
        "A value or a file of another item is a value or a file; an image is archive.stored(item, socket).",
    ),
    Row(
        "SocketValueSpec('dicom-image-set', files=files, image_name=name)",
        "the same",
        "archive.fill(item, {'dicom-image-set': cf.Image('series', slices)})",
        "len(result.case().image('dicom-image-set').files) == len(slices)",
        "Kept as DICOM, without what identifies anybody; what the platform would refuse is refused beforehand.",
    ),
    Row(
        "client.start_algorithm_job(...), client.invoke_algorithm_endpoint(...), client.algorithms, "
        "client.algorithm_jobs, client.algorithm_images, client.algorithm_endpoints, client.algorithm_invocations",
        "the same",
        "None",
        "not hasattr(archive, 'algorithms')",
        "Not offered: caseferry moves cases and runs nothing.",
    ),
    Row(
        "client.reader_studies.questions, client.reader_studies.answers, client.reader_studies.ground_truth",
        "the same",
        "None",
        "not hasattr(study, 'answers')",
        "Not offered: answers belong to the study in which they were given.",
    ),
    Row(
        "client.sessions, client.workstation_configs",
        "the same",
        "None",
        "not hasattr(archive, 'sessions')",
        "Not offered: what a viewer shows is no part of a case.",
    ),
]


def sockets(item: cf.Item) -> set[str]:
    """What of an item is filled."""
    return {value["socket"]["slug"] for value in item.native["values"]}


@pytest.fixture
def names(anew: Scene, samples: Samples) -> dict[str, Any]:
    """What the right column finds."""
    scene = anew
    mapping = {"grand-challenge": {"images": {"ct": "ct-image", "overlay": "generic-overlay"}}}
    archive = scene.open(mapping=mapping)
    report = cf.Attachment("report", FileRef.of_bytes(b"%PDF-1.4 a report", "report.pdf"))
    images = [samples.image(Kind.NIFTI, "ct"), samples.image(Kind.METAIMAGE, "overlay")]
    item = archive.put(cf.Case(id="one", images=images, attachments=[report]))
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(scene.folder / "scan.mha"))
    (scene.folder / "new.pdf").write_bytes(b"%PDF-1.4 a new one")
    (scene.folder / "new.pdf.mha").write_bytes(b"no image")
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
        "islice": islice,
        "no_image": scene.folder / "new.pdf.mha",
        "slices": series(scene.folder / "series", volume(4, 3, 2).astype("u2")),
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


SETTINGS = {"base_path", "chunk_size", "max_retries", "model", "n_presigned_urls", "response_model", "sub_apis"}
"""Attributes of gcapi's interfaces that are no calls."""


def public(of: Any) -> list[str]:
    return [name for name in dir(of) if not name.startswith("_") and name not in SETTINGS]


def calls_of(client: gcapi.Client) -> list[str]:
    """Every call of gcapi that a user can make, as it is written: its own, and those of each of its interfaces."""
    own = set(public(gcapi.Client)) - set(public(httpx.Client))
    found = [f"client.{name}" for name in own]
    waiting = [(f"client.{name}", getattr(client, name)) for name in ApiDefinitions.__annotations__]
    while waiting:
        place, api = waiting.pop()
        subs = set(type(api).sub_apis)
        waiting += [(f"{place}.{name}", getattr(api, name)) for name in subs]
        found += [f"{place}.{name}" for name in public(api) if name not in subs]
    return sorted(found)


def test_every_call_of_gcapi_has_a_row(names: dict[str, Any]) -> None:
    """Or the interface that it belongs to has one that says why it is not offered."""
    texts = " ".join(f"{row.old} {row.gcapi}" for row in ROWS)
    left_out = [
        place.strip()
        for row in ROWS
        if row.note.startswith("Not offered")
        for place in f"{row.old}".split(",")
        if place.strip().startswith("client.") and "(" not in place
    ]
    calls = calls_of(names["client"])
    assert len(calls) > 60
    missing = [call for call in calls if call not in texts and not any(call.startswith(f"{x}.") for x in left_out)]
    assert missing == []
    fields = [name for name in inspect.signature(gcapi.SocketValueSpec).parameters if name != "socket_slug"]
    assert [name for name in fields if f"{name}=" not in texts] == []
    for value in names.values():
        if isinstance(value, cf.Dataset):
            value.close()
