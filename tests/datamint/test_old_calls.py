"""Coming from `datamint.APIHandler`: each of its calls, what is written instead, and that it does what it says.

`ROWS` is the table of the documentation; the right column is what runs here. In it, `account` is a `Datamint()`,
`dataset` its project "sandbox", `item` a case of that project with a volume "ct" and a picture "xr".
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry_datamint import Datamint
from old_calls import fails, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.testing import Samples
    from datamint_scene import Scene


@dataclass(frozen=True)
class Row:
    """One call.

    Attributes
    ----------
    old : the call of the old client
    new : what is written instead; lines of Python, the last of which is the result
    holds : what is true then
    note : what is different, in words
    """

    old: str
    new: str
    holds: str
    note: str = ""

    @property
    def name(self) -> str:
        """The old call's own name."""
        return self.old.split("(", maxsplit=1)[0]


ROWS = [
    # -- opening
    Row(
        "APIHandler(root_url, api_key)",
        "account = Datamint(url, api_key)\naccount.projects()",
        "[each.name for each in result] == ['sandbox']",
        "Without arguments it reads the same variables and the same datamintapi.yaml. Nothing is asked at once.",
    ),
    Row(
        "Api()",
        "from caseferry_datamint import from_sdk\nfrom_sdk(api).open('sandbox')",
        "result.project.id == project_id",
        "A client that is there already, an APIHandler too: its host, key and TLS settings are taken over.",
    ),
    # -- projects
    Row("get_projects()", "account.projects()", "[each.name for each in result] == ['sandbox']"),
    Row("get_project_by_id(project_id)", "account.project(project_id)", "result.name == 'sandbox'"),
    Row(
        "get_project_by_name('sandbox')",
        "account.project('sandbox')",
        "result.id == project_id and fails(cf.NotFound, lambda: account.project('absent'))",
        "Raises NotFound where the old call gave a dict that held an error.",
    ),
    Row(
        "create_project('second', 'of two', [resource_id])",
        "account.create_project('second', 'of two', [resource_id])",
        "result.name == 'second' and account.project('second').resources == 1 and "
        "fails(cf.AlreadyExists, lambda: account.create_project('second'))",
    ),
    Row(
        "delete_project(project_id)",
        "account.delete_project(project_id)\naccount.projects(archived=True)",
        "account.projects() == [] and [each.archived for each in result] == [True]",
        "The platform archives it.",
    ),
    Row(
        "download_project(project_id, 'project.zip', all_annotations=True, include_unannotated=True)",
        "account.export_project(project_id, folder / 'project.zip', all_annotations=True, unannotated=True)",
        "zip_names(result) > {'dataset.json'} and not (folder / 'project.zip.part').exists()",
        "A case in files that any tool reads: cf.transfer(dataset, 'local:./cases').",
    ),
    Row("get_datasets()", "account.project_datasets()", "[each.name for each in result] == ['sandbox']"),
    Row(
        "get_experiment_by_name(name, project)",
        "",
        "not hasattr(account, 'experiments')",
        "Not offered: experiments are MLflow's since 2.x of the client, and hold no cases.",
    ),
    # -- resources
    Row(
        "get_resources(status='inbox')",
        "list(account.resources(status='inbox'))",
        "[each.id for each in result] == [waiting]",
    ),
    Row(
        "get_resources(from_date=day, to_date=day, tags=['train', 'x'], modality='CT', mimetype='image/png', "
        "order_field='filename', order_ascending=False, channel='gc', filename='picture.png')",
        "list(account.resources(from_date=today, to_date=tomorrow, tags=['train', 'x'], mimetype='image/png', "
        "order='filename', ascending=False, channel='gc', filename='picture.png'))",
        "[each.filename for each in result] == ['picture.png'] and result[0].tags == ('train',) and "
        "not list(account.resources(to_date=today)) and not list(account.resources(modality='US'))",
        "labels= was a name of tags=.",
    ),
    Row(
        "get_resources(return_ids_only=True)",
        "[each.id for each in account.resources()]",
        "set(result) == {waiting, *(each.id for each in dataset.resources(item))}",
    ),
    Row(
        "get_resources(project_name='sandbox')",
        "list(dataset.items())",
        "[each.case_id for each in result] == ['first'] and "
        "{each.case_id for each in account.resources(project='sandbox')} == {'first'}",
        "A case may be several resources. account.resources(project='sandbox') gives them one by one.",
    ),
    Row(
        "get_resources(project_id=project_id, tags=['train'], modality='CT')",
        "list(account.open(project_id).items(tags=['train'], mimetype='image/png'))",
        "result == [item] and list(dataset.items(tags=['absent'])) == []",
    ),
    Row(
        "get_resources_by_project(project_id)",
        "list(account.open(project_id).items())",
        "result == [item]",
    ),
    Row(
        "get_resources_by_ids([resource_id])",
        "[account.resource(each) for each in [resource_id]]",
        "result[0].filename == 'nifti.nii.gz' and dataset.get(resource_id) == item and "
        "fails(cf.NotFound, lambda: account.resource(nowhere))",
        "dataset.get(resource_id) gives the case.",
    ),
    Row(
        "get_channels()",
        "account.channels()",
        "{each.name: len(each.resources) for each in result} == {'gc': 2, 'Unknown': 1}",
    ),
    # -- uploading
    Row(
        "upload_resources('slice.dcm', tags=['train'], publish_to='sandbox')",
        "dataset.put(cf.Case('one', images=[cf.Image('ct', slice_path)], tags=['train']))",
        "stored(result) == {slice_path.read_bytes()} and dataset.resources(result)[0].status == 'published'",
        "Bytes arrive as they are; no local path is sent. The media type is told from the content.",
    ),
    Row(
        "upload_resources(paths, assemble_dicoms=True)",
        "dataset.put(cf.Case('series', images=[cf.Image('ct', series_paths)]))",
        "stored(result) == {path.read_bytes() for path in series_paths} and "
        "result.case().images[0].geometry.shape[2] == len(series_paths)",
        "One image of the case; a resource for each slice, byte for byte. Nothing is assembled or compressed anew.",
    ),
    Row(
        "upload_resources(paths, assemble_dicoms=False)",
        "[dataset.put(cf.Case(path.name, images=[cf.Image('ct', path)])) for path in series_paths]",
        "[each.case_id for each in result] == [path.name for path in series_paths]",
    ),
    Row(
        "upload_resources('slice.dcm', channel='gc', publish=False)",
        "account.open('sandbox', channel='gc', publish=False).put(cf.Case('two', images=[cf.Image('ct', slice_path)]))",
        "[(each.channel, each.status) for each in dataset.resources(result)] == [('gc', 'inbox')]",
        "Also cf.connect('datamint:sandbox?channel=gc&publish=false').",
    ),
    Row(
        "upload_resources('picture.png', modality='XR', mung_filename='all')",
        "image = cf.Image('xr', cf.FileRef(str(picture_path), 'site_a_1.png'), modality='XR')\n"
        "dataset.put(cf.Case('named', images=[image]))",
        "[(each.filename, each.modality) for each in dataset.resources(result)] == [('site_a_1.png', 'XR')]",
        "A file may have any name there; it never has a path.",
    ),
    Row(
        "upload_resources('volume.nii.gz', segmentation_files=[{'files': ['labels.nii.gz'], 'names': {1: 'liver'}}])",
        "mask = cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})\n"
        "dataset.put(cf.Case('masked', images=[cf.Image('ct', volume_path)], annotations=[mask]))",
        "[each.label for each in account.annotations(dataset.resources(result)[0].id)] == ['liver', 'tumor'] and "
        "(result.case().annotations[0].voxels() == label_voxels).all()",
        "A mask that lies on another grid is refused; there is nothing to transpose.",
    ),
    Row(
        "upload_resources(paths, anonymize=True)",
        "dataset.put(cf.Case('named', images=[cf.Image('ct', named_path)]), phi='remove')",
        "fails(cf.IdentifiableData, lambda: dataset.put(cf.Case('other', images=[cf.Image('ct', named_path)]))) "
        "and not any(b'Canary' in content for content in stored(result))",
        "What identifies a patient is taken out on the way; pixels and UIDs stay. Unasked such files are never sent.",
    ),
    Row(
        "upload_resources(paths, on_error='skip')",
        "cf.transfer(cases_url, dataset)",
        "result.problems == [] and dataset.find('from a folder') is not None",
        "A case that fails never stops the others; the report names each one with its reason.",
    ),
    # -- lifecycle
    Row(
        "publish_resources([resource_id])",
        "account.publish([waiting])",
        "account.resource(waiting).status == 'published' and account.publish(waiting) is None",
        "Those that are published already stay so.",
    ),
    Row(
        "publish_resources(resource_ids, 'sandbox')",
        "account.publish(waiting, project='sandbox')",
        "waiting in {each.id for each in account.resources(project='sandbox')} and "
        "fails(cf.NotFound, lambda: account.publish(waiting, project='absent'))",
    ),
    Row(
        "set_resource_tags(resource_id, ['seen'])",
        "account.set_tags(resource_id, ['seen'])",
        "item.case().tags == ('seen',) and dataset.find('first') == item and "
        "fails(cf.ConfigurationError, lambda: account.set_tags(resource_id, ['a,b']))",
    ),
    Row(
        "delete_resources(resource_ids)",
        "dataset.delete(item)",
        "list(dataset.items()) == [] and fails(cf.NotFound, lambda: account.delete_resources([nowhere]))",
        "account.delete_resources(ids) deletes single resources.",
    ),
    # -- downloading
    Row(
        "download_resource_file(resource_id, auto_convert=False)",
        "account.file(resource_id).read()",
        "result == volume_path.read_bytes()",
        "account.file(resource_id).open() streams, and goes on where a line broke.",
    ),
    Row(
        "download_resource_file(resource_id)",
        "account.load(resource_id)",
        "type(result).__name__ == 'Nifti1Image' and account.load(picture_id).size == picture_size and "
        "fails(cf.UnsupportedOperation, lambda: account.load(waiting))",
        "item.case().images[0].voxels() gives an array, and geometry its place in the patient, of any format.",
    ),
    Row(
        "download_resource_file(resource_id, save_path='there.nii.gz')",
        "account.save(resource_id, folder / 'there.nii.gz')",
        "result.read_bytes() == volume_path.read_bytes() and result.name == 'there.nii.gz'",
        "Whole cases: cf.transfer(dataset, 'local:./cases').",
    ),
    Row(
        "download_resource_frame(resource_id, 2)",
        "account.frame(resource_id, 2)",
        "result.size == (7, 5) and account.frame(picture_id, 0).size == picture_size and "
        "fails(cf.NotFound, lambda: account.frame(picture_id, 1)) and "
        "fails(cf.PlatformError, lambda: account.frame(resource_id, 99))",
    ),
    # -- annotations
    Row(
        "add_annotations(resource_id, 'artefact')",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])",
        "found('label') == [('artefact', None, None)]",
    ),
    Row(
        "add_annotations(resource_id, 'quality', (0, 2), value='good')",
        "frames = range(0, 3)\n"
        "dataset.annotate(item, [cf.Category('ct', 'quality', 'good', frame=frame) for frame in frames])",
        "sorted(found('category')) == [('quality', 'good', 0), ('quality', 'good', 1), ('quality', 'good', 2)]",
        "The old range included its end; Python's does not.",
    ),
    Row(
        "add_annotations(resource_id, 'quality', value='good', author_email='member@sandbox.example')",
        "project = account.open('sandbox', authors='import')\n"
        "project.annotate(item, [cf.Category('ct', 'quality', 'good', author='member@sandbox.example')])",
        "[each.author for each in account.annotations(resource_id)] == ['member@sandbox.example']",
        "Needs an administrator's key. Without authors='import' the author is kept beside the case.",
    ),
    Row(
        "add_annotations(resource_id, 'quality', value='good', worklist_id=worklist_id)",
        "account.open('sandbox', worklist=worklist_id).annotate(item, [cf.Category('ct', 'quality', 'good')])",
        "[each.worklist for each in account.annotations(resource_id)] == [worklist_id]",
        "Without it, the project's first worklist is taken, so that annotations count.",
    ),
    Row(
        "add_annotations(resource_id, 'nodule', model_id=model_id)",
        "made = cf.Label('ct', 'nodule', source='model', model='lung-net-3')\n"
        "account.open('sandbox', authors='import').annotate(item, [made])",
        "[each.native['model_id'] for each in account.annotations(resource_id)] == ['lung-net-3']",
        "A model is an author too.",
    ),
    Row(
        "add_annotations(resource_id, 'nodule', imported_from='old system')",
        "made = cf.Label('ct', 'nodule', attributes={'imported from': 'old system'})\n"
        "dataset.put(cf.Case('imported', images=[cf.Image('ct', volume_path)], annotations=[made]))",
        "result.case().annotations[0].attributes == {'imported from': 'old system'}",
        "caseferry needs imported_from to know its own annotations again; what else is said is kept beside the case.",
    ),
    Row(
        "add_image_category_annotation(resource_id, 'view', 'lateral')",
        "dataset.annotate(item, [cf.Category('xr', 'view', 'lateral')])",
        "found('category', picture_id) == [('view', 'lateral', None)]",
    ),
    Row(
        "add_frame_category_annotation(resource_id, 1, 'quality', 'bad')",
        "dataset.annotate(item, [cf.Category('ct', 'quality', 'bad', frame=1)])",
        "found('category') == [('quality', 'bad', 1)]",
    ),
    Row(
        "add_line_annotation((0, 0), (10, 30), resource_id, 'Line1', frame_index=2, project='Example')",
        "dataset.annotate(item, [cf.Line('ct', [(0, 0), (6, 4)], frame=2, label='Line1')])",
        "item.case().annotations[0].points == ((0, 0), (6, 4)) and item.case().annotations[0].frame == 2",
        "Points are voxels (column, row); caseferry knows the image and sends patient millimetres.",
    ),
    Row(
        "add_line_annotation(p, q, resource_id, 'Line1', coords_system='patient', dicom_metadata=ds)",
        "grid = item.case().images[0].geometry\n"
        "points = [tuple(point) for point in grid.to_voxel([patient_p, patient_q])]\n"
        "dataset.annotate(item, [cf.Line('ct', points, label='Line1')])",
        "np.allclose(account_points('Line1'), [patient_p, patient_q])",
    ),
    Row(
        "add_box_annotation(p, q, resource_id, 'box', frame_index=2)",
        "dataset.annotate(item, [cf.Box('xr', [(1, 1), (4, 3)], label='box')])",
        "item.case().annotations[0].points == ((1, 1), (4, 3))",
    ),
    Row(
        "upload_segmentations(resource_id, 'labels.nii.gz', {1: 'liver', 2: 'tumor'})",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])",
        "(item.case().annotations[0].voxels() == label_voxels).all() and "
        "[each.label for each in account.annotations(resource_id)] == ['liver', 'tumor']",
    ),
    Row(
        "upload_segmentations(resource_id, array, 'spot', frame_index=0)",
        "array = np.zeros((*picture_size, 1), np.uint8)\n"
        "array[3, 2] = 1\n"
        "dataset.annotate(item, [cf.Mask.of_array('xr', array, {1: 'spot'}, np.eye(4))])",
        "np.argwhere(item.case().annotations[0].voxels())[:, :2].tolist() == [[3, 2]]",
        "Arrays are [column, row, slice], with the affine of the image they lie on.",
    ),
    Row(
        "get_annotations(resource_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\nitem.case().annotations",
        "[each.label for each in result] == ['artefact']",
    ),
    Row(
        "get_annotations(resource_id, 'label', email, day, day, dataset_id, worklist_id, 'new', True)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact'), cf.Category('ct', 'quality', 'good')])\n"
        "list(account.annotations(resource_id, kind='label', author='admin@sandbox.example', from_date=today,\n"
        "     to_date=today, dataset_id=account.project('sandbox').dataset_id, worklist=worklist_id, status='new',\n"
        "     models=True))",
        "[each.label for each in result] == ['artefact'] and "
        "not list(account.annotations(status='published')) and not list(account.annotations(author='nobody@x.org'))",
        "As the platform has them: kind, label, value, frame, status, author, worklist.",
    ),
    Row(
        "get_resource_annotations(resource_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\nlist(account.annotations(resource_id))",
        "[(each.kind, each.label, each.annotation_id) for each in result] == "
        "[('label', 'artefact', item.case().annotations[0].id)]",
    ),
    Row(
        "delete_annotation(annotation_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact'), cf.Label('ct', 'stays')])\n"
        "wrong = [each for each in item.case().annotations if each.label == 'artefact']\n"
        "dataset.delete_annotations(item, wrong)",
        "[each.label for each in item.case().annotations] == ['stays']",
        "account.delete_annotations(ids) takes the ids of the platform.",
    ),
    # -- worklists
    Row(
        "get_annotation_worklist(status='new')",
        "account.worklists(status='new')",
        "[each.id for each in result] == [worklist_id] and account.worklists(status='active') == [] and "
        "[each.id for each in account.worklists('sandbox')] == [worklist_id]",
        "account.worklists('PROJECT') is what servers of today offer.",
    ),
    Row(
        "get_annotation_worklist_by_id(worklist_id)",
        "account.worklist(worklist_id)",
        "result.name == 'sandbox' and resource_id in result.resources",
    ),
    Row(
        "update_annotation_worklist(worklist_id, frame_labels, image_labels, annotations, 'active', 'reading')",
        "account.update_worklist(worklist_id, name='reading', status='active', frame_labels=['f'],\n"
        "    image_labels=['i'], labels=[{'type': 'label', 'scope': 'image', 'identifier': 'artefact'}])",
        "(result.name, result.status, result.labels[0]['identifier'], result.native['frame_labels']) == "
        "('reading', 'active', 'artefact', ['f']) and account.update_worklist(worklist_id).name == 'reading'",
    ),
    # -- people
    Row(
        "get_users()",
        "account.users()",
        "'admin@sandbox.example' in {each.email for each in result}",
    ),
    Row(
        "create_user('new@example.org', 'secret', 'New', 'User', ['annotator'])",
        "account.create_user('new@example.org', 'secret', first_name='New', last_name='User', roles=['annotator'])",
        "(result.email, result.first_name, result.roles) == ('new@example.org', 'New', ('annotator',)) and "
        "fails(cf.AlreadyExists, lambda: account.create_user('new@example.org'))",
    ),
    # -- errors
    Row("DatamintException", "cf.PlatformError", "issubclass(result, cf.CaseferryError)"),
    Row("ResourceNotFoundError", "cf.NotFound", "fails(result, lambda: dataset.get(nowhere))"),
    Row(
        "ResourceFields",
        "list(account.resources(order='filename'))",
        "[each.filename for each in result] == ['nifti.nii.gz', 'notes.bin', 'picture.png'] and "
        "fails(cf.ConfigurationError, lambda: account.resources(order='size'))",
        "The words of order=; caseferry_datamint.wire.entities.Order for type checkers.",
    ),
    Row(
        "ResourceStatus",
        "list(dataset.items(status='published'))",
        "result == [item] and fails(cf.ConfigurationError, lambda: dataset.items(status='gone'))",
        "The words of status=; caseferry_datamint.wire.entities.Status for type checkers.",
    ),
]

OLD = """
APIHandler add_annotations add_frame_category_annotation add_image_category_annotation add_line_annotation
create_project create_user delete_project delete_resources download_project download_resource_file
download_resource_frame get_annotation_worklist get_annotation_worklist_by_id get_annotations get_channels get_datasets
get_experiment_by_name get_project_by_id get_project_by_name get_projects get_resource_annotations get_resources
get_resources_by_ids get_resources_by_project get_users publish_resources update_annotation_worklist upload_resources
upload_segmentations DatamintException ResourceNotFoundError ResourceFields ResourceStatus
"""
"""Every name in the documentation of the old client."""

NOWHERE = "00000000-0000-4000-8000-000000000000"


def test_every_old_call_has_a_row() -> None:
    assert set(OLD.split()) <= {row.name for row in ROWS}


def zip_names(path: Path) -> set[str]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.fixture
def names(scene: Scene, samples: Samples, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What the rows speak of."""
    volume, picture = samples.image(Kind.NIFTI, "ct"), samples.image(Kind.PICTURE, "xr")
    series = samples.image(Kind.DICOM_SERIES, "series")
    voxels = np.zeros(volume.geometry.shape, np.uint8)  # type: ignore[union-attr]
    voxels[1:3, 2, 1], voxels[5, 1:4, 3] = 1, 2
    labels = cf.Mask.of_array("ct", voxels, {1: "liver", 2: "tumor"}, volume.geometry.affine)  # type: ignore[union-attr]
    named_path = tmp_path / "named.dcm"
    named = dcmread(series.files[0].location)
    named.PatientName = "Canary^Yellow"
    named.save_as(named_path)
    labels_path = tmp_path / "labels.nii.gz"
    labels_path.write_bytes(labels.file.read())
    with cf.connect(f"local:{tmp_path / 'cases'}") as folder:
        folder.put(samples.case("from a folder", Kind.PICTURE))
    waiting = scene.ask(
        "POST", "/resources", files={"source": (None, "api"), "resource": ("notes.bin", b"text", "text/plain")}
    )["id"]
    url, api_key = (scene.sandbox.variables[name] for name in ("DATAMINT_API_URL", "DATAMINT_API_KEY"))
    with Datamint() as account, account.open("sandbox", channel="gc") as dataset:
        files = [
            cf.FileRef(volume.files[0].location, "nifti.nii.gz"),
            cf.FileRef(picture.files[0].location, "picture.png"),
        ]
        images = [cf.Image("ct", files[0], modality="MR"), cf.Image("xr", files[1])]
        item = dataset.put(cf.Case("first", images=images, tags=["train"]))
        resource_id, picture_id = (each.id for each in dataset.resources(item))

        def found(kind: str, rid: str = resource_id) -> list[tuple[Any, ...]]:
            return [(each.label, each.value, each.frame) for each in account.annotations(rid, kind=kind)]

        def account_points(label: str) -> Any:
            (row,) = [each for each in account.annotations(resource_id) if each.label == label]
            return row.native["geometry"]["points"]

        def stored(item: cf.Item) -> set[bytes]:
            return {account.file(each.id).read() for each in dataset.resources(item)}

        today = dt.datetime.now(dt.UTC).date()
        corners = volume.geometry.to_patient([[1, 1, 0], [5, 3, 3]])  # type: ignore[union-attr]
        yield {
            "cf": cf,
            "np": np,
            "Datamint": Datamint,
            "api": SimpleNamespace(root_url=url, api_key=api_key),
            "account": account,
            "dataset": dataset,
            "item": item,
            "url": url,
            "api_key": api_key,
            "project_id": scene.project()["id"],
            "worklist_id": scene.project()["worklist_id"],
            "resource_id": resource_id,
            "picture_id": picture_id,
            "picture_size": picture.geometry.shape[:2],  # type: ignore[union-attr]
            "waiting": waiting,
            "nowhere": NOWHERE,
            "folder": tmp_path,
            "cases_url": f"local:{tmp_path / 'cases'}",
            "volume_path": Path(volume.files[0].location),
            "picture_path": Path(picture.files[0].location),
            "slice_path": Path(series.files[0].location),
            "series_paths": [Path(ref.location) for ref in series.files],
            "named_path": named_path,
            "labels_path": labels_path,
            "label_voxels": voxels,
            "patient_p": tuple(corners[0]),
            "patient_q": tuple(corners[1]),
            "today": today,
            "tomorrow": today + dt.timedelta(days=1),
            "found": found,
            "account_points": account_points,
            "stored": stored,
            "zip_names": zip_names,
            "fails": fails,
        }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.old[:60])
def test_what_is_written_instead(names: dict[str, Any], row: Row) -> None:
    run(row.new, row.holds, names)


def test_the_table_is_plain_data() -> None:
    """A page of documentation is made of it."""
    assert json.dumps([[row.old, row.new, row.note] for row in ROWS])
