"""The calls of Datamint's own clients, and what is written instead: the tables of the documentation.

In the right column `account` is a `Datamint()`, `dataset` its project "sandbox", `item` a case of that project with a
volume "ct" and a picture "xr"; the other names are those of a fixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Row:
    """One call.

    Attributes
    ----------
    old : the call of the old client; a second line is another one for the same
    new : what is written instead; lines of Python, the last of which is the result
    holds : what is true then
    note : what is different, in words
    """

    old: str
    new: str
    holds: str
    note: str = ""

    @property
    def names(self) -> set[str]:
        """The old calls' own names; one stands in a line."""
        return {line.removeprefix("api.").partition("(")[0] for line in self.old.splitlines()}


HANDLER = [
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
        "create_project('second', 'of two', [resource_id], is_active_learning=True)",
        "account.create_project('second', 'of two', [resource_id], active_learning=True)",
        "result.name == 'second' and account.project('second').resources == 1 and "
        "result.native['is_active_learning'] is True and "
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
        "get_dataset_by_id(dataset_id)",
        "next(each for each in account.project_datasets() if each.id == dataset_id)",
        "set(result.resources) == {resource_id, picture_id}",
    ),
    Row(
        "get_datasetsinfo_by_name('sandbox')",
        "[each for each in account.project_datasets() if each.name == 'sandbox']",
        "[each.id for each in result] == [dataset_id]",
    ),
    Row(
        "get_project_resources(project_id)",
        "list(account.resources(project=project_id))",
        "[each.id for each in result] == [resource_id, picture_id]",
    ),
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
        "get_resources(project_id=project_id, tags=['train'], modality='MR')",
        "list(account.open(project_id).items(tags=['train'], modality='MR'))",
        "result == [item] and list(dataset.items(tags=['absent'])) == [] and "
        "[each.id for each in account.resources(project=project_id, modality='MR')] == [resource_id] and "
        "fails(cf.NotFound, lambda: account.resources(project='absent'))",
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
        "stored(result) == {slice_path.read_bytes()} and dataset.resources(result)[0].status == 'published' and "
        "dataset.resources(result)[0].tags == ('train',) and fails(cf.NotFound, lambda: account.open('absent'))",
        "Bytes arrive as they are; no local path is sent. dataset.resources(item) tells the ids. labels= was a name of "
        "tags=.",
    ),
    Row(
        "upload_resources('slice.dcm')",
        "account.open(None, publish=False).put(cf.Case('three', images=[cf.Image('ct', slice_path)]))",
        "account.resource(result.id).projects == () and account.resource(result.id).status == 'inbox' and "
        "account.publish(result.id, project='sandbox') is None and dataset.find('three') == dataset.get(result.id)",
        "In no project, until account.publish or account.add_to_project puts it into one.",
    ),
    Row(
        "upload_resources('scan', mimetype='image/png')",
        "image = cf.Image('xr', cf.FileRef(str(picture_path), 'scan', media_type='image/png'))\n"
        "dataset.put(cf.Case('typed', images=[image]))",
        "[(each.filename, each.mimetype) for each in dataset.resources(result)] == [('scan', 'image/png')]",
        "The media type is told from the content when it is not given.",
    ),
    Row(
        "upload_resources(io.BytesIO(content))",
        "dataset.put(cf.Case('in memory', images=[cf.Image('xr', cf.FileRef.of_bytes(content, 'picture.png'))]))",
        "stored(result) == {content}",
    ),
    Row(
        "upload_resources('folder')",
        "cf.transfer('local:folder', dataset)",
        "result.problems == [] and {item.case_id for item in dataset.items()} == {'first', 'patient-1', 'picture'} and "
        "len(dataset.find('patient-1').case().images[0].files) == len(series_paths)",
        "A directory is a case with all that lies below it, each DICOM series an image; a single file is a case too.",
    ),
    Row(
        "upload_resources('picture.png', metadata={'site': 'A'})",
        "dataset.put(cf.Case('told', images=[cf.Image('xr', picture_path)], metadata={'site': 'A'}))",
        "result.case().metadata == {'site': 'A'}",
        "Of a case; it lies in the metadata of its first resource.",
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
        "One mask for each file. A mask that lies on another grid is refused; there is no transpose_segmentation.",
    ),
    Row(
        "upload_resources(paths, anonymize=True)",
        "dataset.put(cf.Case('named', images=[cf.Image('ct', named_path)]), phi='remove')",
        "fails(cf.IdentifiableData, lambda: dataset.put(cf.Case('other', images=[cf.Image('ct', named_path)]))) "
        "and not any(b'Canary' in content for content in stored(result))",
        "What identifies a patient is taken out on the way; pixels and UIDs stay. Unasked such files are never sent. "
        "There are no anonymize_retain_codes: what is no identifier stays.",
    ),
    Row(
        "upload_resources(paths, on_error='skip')",
        "cf.transfer(cases_url, dataset)",
        "result.problems == [] and dataset.find('from a folder') is not None",
        "A case that fails never stops the others; the report names each one with its reason.",
    ),
    Row(
        "upload_resource('slice.dcm', publish=True)",
        "account.open(None).put(cf.Case('one', images=[cf.Image('ct', slice_path)]))",
        "stored(result) == {slice_path.read_bytes()} and account.resource(result.id).status == 'published'",
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
        "add_to_project([resource_id], 'sandbox')",
        "account.add_to_project([waiting], 'sandbox')",
        "[each.status for each in account.resources(project='sandbox') if each.id == waiting] == ['inbox'] and "
        "fails(cf.NotFound, lambda: account.add_to_project(waiting, 'absent'))",
    ),
    Row(
        "set_annotation_status(project_id, resource_id, 'closed')",
        "account.set_work_status(project_id, resource_id, 'closed')",
        "work_of(resource_id) == 'closed' and "
        "fails(cf.ConfigurationError, lambda: account.set_work_status(project_id, resource_id, 'done')) and "
        "fails(cf.NotFound, lambda: account.set_work_status(project_id, waiting, 'closed'))",
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
        "download_resource_file(resource_id, save_path='there', add_extension=True)",
        "account.save(resource_id, folder / 'there', add_ending=True)",
        "result == folder / 'there.nii.gz' and result.read_bytes() == volume_path.read_bytes() and "
        "account.save(picture_id, folder / 'there', add_ending=True) == folder / 'there.png' and "
        "account.save(waiting, folder / 'text', add_ending=True) == folder / 'text'",
    ),
    Row(
        "download_multiple_resources([resource_id, picture_id], 'downloads', add_extension=True)",
        "[account.save(each, folder / each, add_ending=True) for each in [resource_id, picture_id]]",
        "[each.name for each in result] == [f'{resource_id}.nii.gz', f'{picture_id}.png'] and "
        "account.save(picture_id, folder) == folder / 'picture.png'",
        "account.save(resource_id, 'downloads') keeps the file's own name in a folder that is there.",
    ),
    Row(
        "convert_format(content, 'image/png')",
        "cf.Image('xr', cf.FileRef.of_bytes(content, 'picture.png')).voxels()",
        "result.shape[:2] == picture_size",
        "Of any format, as an array; account.load gives the objects of pydicom, nibabel and Pillow.",
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
        "add_annotations(resource_id, 'artefact', project='sandbox')",
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
        "upload_segmentations(resource_id, array, 'spot', frame_index=0, transpose_segmentation=True)",
        "array = np.zeros((*picture_size, 1), np.uint8)\n"
        "array[3, 2] = 1\n"
        "dataset.annotate(item, [cf.Mask.of_array('xr', array, {1: 'spot'}, np.eye(4))])",
        "np.argwhere(item.case().annotations[0].voxels())[:, :2].tolist() == [[3, 2]]",
        "Arrays are [column, row, slice], with the affine of the image they lie on; others are transposed by numpy. "
        "Frames without a mask are not sent.",
    ),
    Row(
        "standardize_segmentation_names({1: 'liver'})",
        "cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'}).labels",
        "result == {1: 'liver', 2: 'tumor'}",
        "The names of values are part of a mask.",
    ),
    Row(
        "get_segmentation_file(resource_id, annotation_id)",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])\n"
        "[account.annotation_file(each.id).read() for each in account.annotations(resource_id)]",
        "[where(content) for content in result] == [places(label_voxels == 1), places(label_voxels == 2)] and "
        "fails(cf.NotFound, lambda: account.annotation_file(nowhere))",
        "item.case().annotations gives whole masks, with all their labels.",
    ),
    Row(
        "download_segmentation_file(annotation_id, 'mask.nii.gz')",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])\n"
        "first = next(account.annotations(resource_id))\n"
        "(folder / 'mask.nii.gz').write_bytes(account.annotation_file(first.id).read())",
        "where((folder / 'mask.nii.gz').read_bytes()) == places(label_voxels == 1)",
    ),
    Row(
        "download_multiple_segmentations(annotation_ids, 'masks')",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])\n"
        "cf.transfer(dataset, f'local:{folder}/home')\n"
        "[each.voxels() for each in cf.connect(f'local:{folder}/home').get('first').case().annotations]",
        "(result[0] == label_voxels).all()",
        "With the images they lie on, and everything else of the cases.",
    ),
    Row(
        "get_annotation_by_id(annotation_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "account.annotation(next(account.annotations(resource_id)).id)",
        "(result.label, result.kind) == ('artefact', 'label') and "
        "fails(cf.NotFound, lambda: account.annotation(nowhere))",
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
    Row("check_connection()", "account.projects()", "bool(result)", "caseferry doctor datamint: says what is wrong."),
    Row(
        "get_status_code(error)",
        "error.status",
        "result == 404",
    ),
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

API = [
    # -- resources
    Row(
        "api.resources.get_list(status='published', source_filepath=path, limit=1)",
        "list(islice(account.resources(status='published'), 1))",
        "[each.id for each in result] == [resource_id]",
        "All filters of get_resources, above. Paths of files are not sent.",
    ),
    Row("api.resources.get_all()", "list(account.resources())", "len(result) == 3"),
    Row("api.resources.get_by_id(resource_id)", "account.resource(resource_id)", "result.id == resource_id"),
    Row(
        "api.resources.get_annotations(resource_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\nlist(account.annotations(resource_id))",
        "[each.label for each in result] == ['artefact']",
    ),
    Row(
        "api.resources.get_not_annotated(status='published')",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "seen = {each.resource for each in account.annotations()}\n"
        "[each for each in account.resources(status='published') if each.id not in seen]",
        "[each.id for each in result] == [picture_id]",
    ),
    Row(
        "api.resources.create(path)",
        "dataset.put(cf.Case('one', images=[cf.Image('ct', slice_path)]))",
        "stored(result) == {slice_path.read_bytes()}",
    ),
    Row(
        "api.resources.upload_resource(path, publish_to='sandbox')",
        "dataset.put(cf.Case('one', images=[cf.Image('ct', slice_path)]))",
        "dataset.resources(result)[0].projects == ('sandbox',)",
    ),
    Row(
        "api.resources.upload_resources(paths, publish_to='sandbox')",
        "[dataset.put(cf.Case(path.name, images=[cf.Image('ct', path)])) for path in series_paths]",
        "len(list(account.resources(project='sandbox'))) == 2 + len(series_paths)",
        "All options of upload_resources, above.",
    ),
    Row(
        "api.resources.publish_resources(resource_id)",
        "account.publish(waiting)",
        "account.resource(waiting).status == 'published'",
    ),
    Row(
        "api.resources.bulk_publish([resource_id])",
        "account.publish([waiting])",
        "account.resource(waiting).status == 'published'",
    ),
    Row(
        "api.resources.set_tags(resource_id, ['seen'])",
        "account.set_tags([resource_id, picture_id], ['seen'])",
        "[account.resource(each).tags for each in (resource_id, picture_id)] == [('seen',), ('seen',)]",
        "Api sends the letters of an id when it is given one alone.",
    ),
    Row(
        "api.resources.add_tags(resource_id, ['seen'])",
        "account.set_tags(resource_id, [*account.resource(resource_id).tags, 'seen'])",
        "account.resource(resource_id).tags == ('train', 'seen')",
    ),
    Row(
        "api.resources.delete(resource_id)",
        "account.delete_resources(waiting)",
        "fails(cf.NotFound, lambda: account.resource(waiting))",
    ),
    Row(
        "api.resources.bulk_delete([resource_id])",
        "account.delete_resources([waiting, picture_id])",
        "[each.id for each in account.resources()] == [resource_id]",
    ),
    Row(
        "api.resources.download_resource_file(resource_id)",
        "account.load(resource_id)",
        "result.shape[:3] == item.case().images[0].geometry.shape",
        "Bytes: account.file(resource_id).read(). To a file: account.save(resource_id, path).",
    ),
    Row(
        "api.resources.download_multiple_resources([resource_id], 'downloads')",
        "[account.save(each, folder / each) for each in [resource_id]]",
        "result == [folder / resource_id]",
    ),
    Row(
        "api.resources.download_resource_frame(resource_id, 2)",
        "account.frame(resource_id, 2)",
        "result.size == (7, 5)",
    ),
    Row(
        "api.resources.cache_resources(resources)",
        "cf.transfer(dataset, f'local:{folder}/cache')",
        "result.problems == []",
        "Again, it fetches what is new.",
    ),
    # -- annotations
    Row(
        "api.annotations.get_list([resource_id], annotation_type='label')",
        "dataset.annotate(item, [cf.Label('ct', 'artefact'), cf.Category('ct', 'quality', 'good')])\n"
        "list(account.annotations([resource_id], kind='label'))",
        "[each.label for each in result] == ['artefact']",
        "All filters of get_annotations, above.",
    ),
    Row(
        "api.annotations.get_all()",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\nlist(account.annotations())",
        "[each.label for each in result] == ['artefact']",
    ),
    Row(
        "api.annotations.get_by_id(annotation_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "account.annotation(next(account.annotations(resource_id)).id)",
        "result.label == 'artefact'",
    ),
    Row(
        "api.annotations.create(resource_id, [annotation, annotation])",
        "dataset.annotate(item, [cf.Label('ct', 'artefact'), cf.Text('ct', 'note', 'blurred', frame=1)])",
        "sorted(each.label for each in account.annotations(resource_id)) == ['artefact', 'note']",
    ),
    Row(
        "api.annotations.create_image_classification(resource_id, 'view', 'lateral')",
        "dataset.annotate(item, [cf.Category('xr', 'view', 'lateral')])",
        "found('category', picture_id) == [('view', 'lateral', None)]",
    ),
    Row(
        "api.annotations.add_line_annotation((0, 0), (6, 4), resource_id, 'length', frame_index=2)",
        "dataset.annotate(item, [cf.Line('ct', [(0, 0), (6, 4)], frame=2, label='length')])",
        "item.case().annotations[0].points == ((0, 0), (6, 4))",
    ),
    Row(
        "api.annotations.add_box_annotation((1, 1), (4, 3), resource_id, 'box', frame_index=0)",
        "dataset.annotate(item, [cf.Box('xr', [(1, 1), (4, 3)], label='box')])",
        "item.case().annotations[0].points == ((1, 1), (4, 3))",
    ),
    Row(
        "api.annotations.upload_segmentations(resource_id, 'mask.png', 'spot')",
        "array = np.zeros((*picture_size, 1), np.uint8)\n"
        "array[3, 2] = 1\n"
        "dataset.annotate(item, [cf.Mask.of_array('xr', array, {1: 'spot'}, np.eye(4))])",
        "[each.label for each in account.annotations(picture_id)] == ['spot']",
    ),
    Row(
        "api.annotations.upload_volume_segmentation(resource_id, 'labels.nii.gz', {1: 'liver', 2: 'tumor'})",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])",
        "(item.case().annotations[0].voxels() == label_voxels).all()",
    ),
    Row(
        "api.annotations.upload_annotation_file(resource_id, annotation_id, 'mask.png')\n"
        "api.annotations.upload_annotation_file_async(resource_id, annotation_id, 'mask.png')",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])",
        "(item.case().annotations[0].voxels() == label_voxels).all()",
        "A mask and its file are one; what was lost on the way is sent again.",
    ),
    Row(
        "api.annotations.download_file(annotation_id)",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])\n"
        "account.annotation_file(next(account.annotations(resource_id)).id).read()",
        "where(result) == places(label_voxels == 1)",
    ),
    Row(
        "api.annotations.download_multiple_files(annotation_ids, 'masks')\n"
        "api.annotations.bulk_download_file(annotation_ids, 'masks')",
        "dataset.annotate(item, [cf.Mask('ct', labels_path, labels={1: 'liver', 2: 'tumor'})])\n"
        "files = {each.label: account.annotation_file(each.id) for each in account.annotations(resource_id)}\n"
        "[(folder / label).write_bytes(file.read()) for label, file in files.items()]",
        "where((folder / 'liver').read_bytes()) == places(label_voxels == 1) and "
        "where((folder / 'tumor').read_bytes()) == places(label_voxels == 2)",
    ),
    Row(
        "api.annotations.patch(annotation_id, 'blur')",
        "item = dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "renamed = [replace(each, label='blur') for each in item.case().annotations]\n"
        "dataset.annotate(item, renamed, replace=True)",
        "[each.label for each in item.case().annotations] == ['blur']",
    ),
    Row(
        "api.annotations.approve(annotation_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "dataset.approve_annotations(item, item.case().annotations)",
        "[each.status for each in item.case().annotations] == ['approved']",
        "account.approve_annotations(ids) takes the ids of the platform.",
    ),
    Row(
        "api.annotations.delete(annotation_id)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "account.delete_annotations(next(account.annotations(resource_id)).id)",
        "item.case().annotations == ()",
    ),
    Row(
        "api.annotations.delete_batch(annotation_ids)\napi.annotations.bulk_delete(annotation_ids)",
        "dataset.annotate(item, [cf.Label('ct', 'artefact'), cf.Label('xr', 'blur')])\n"
        "account.delete_annotations(each.id for each in account.annotations())",
        "item.case().annotations == ()",
    ),
    # -- projects
    Row("api.projects.get_list()", "account.projects()", "[each.id for each in result] == [project_id]"),
    Row("api.projects.get_all()", "account.projects()", "[each.id for each in result] == [project_id]"),
    Row("api.projects.get_by_id(project_id)", "account.project(project_id)", "result.name == 'sandbox'"),
    Row("api.projects.get_by_name('sandbox')", "account.project('sandbox')", "result.id == project_id"),
    Row(
        "api.projects.create('second', 'of two', [resource_id], two_up_display=True)",
        "account.create_project('second', 'of two', [resource_id], side_by_side=True)",
        "(result.resources, result.native['two_up_display']) == (1, True)",
    ),
    Row("api.projects.delete(project_id)", "account.delete_project(project_id)", "account.projects() == []"),
    Row(
        "api.projects.bulk_delete([project_id])",
        "[account.delete_project(each) for each in [project_id]]",
        "account.projects() == []",
    ),
    Row(
        "api.projects.add_resources([resource_id], 'sandbox')",
        "account.add_to_project([waiting], 'sandbox')",
        "waiting in {each.id for each in account.resources(project='sandbox')}",
    ),
    Row(
        "api.projects.get_project_resources('sandbox')",
        "list(account.resources(project='sandbox'))",
        "[each.id for each in result] == [resource_id, picture_id]",
    ),
    Row(
        "api.projects.set_work_status('sandbox', resource_id, 'annotated')",
        "account.set_work_status('sandbox', resource_id, 'annotated')",
        "work_of(resource_id) == 'annotated'",
    ),
    Row(
        "api.projects.download_annotations('sandbox', 'annotations.csv')",
        "dataset.annotate(item, [cf.Label('ct', 'artefact')])\n"
        "[(each.resource, each.label, each.author) for each in account.annotations(worklist=worklist_id)]",
        "result == [(resource_id, 'artefact', 'admin@sandbox.example')]",
        "Rows, for whatever table. With their geometry: caseferry annotations.",
    ),
    Row("api.projects.get_worklist('sandbox')", "account.worklists('sandbox')[0]", "result.id == worklist_id"),
    Row(
        "api.projects.get_annotations_specs('sandbox')",
        "account.worklist(account.worklists('sandbox')[0].id).labels",
        "result == account.worklist(worklist_id).labels",
    ),
    # -- worklists, channels, people
    Row(
        "api.annotationsets.create('reading', [resource_id], project_id=project_id)",
        "account.create_worklist('sandbox', 'reading', resources=[resource_id])",
        "(result.name, result.resources) == ('reading', (resource_id,)) and "
        "fails(cf.AlreadyExists, lambda: account.create_worklist('sandbox', 'reading'))",
    ),
    Row(
        "api.annotationsets.update(worklist_id, status='active')",
        "account.update_worklist(worklist_id, status='active')",
        "result.status == 'active' and "
        "fails(cf.ConfigurationError, lambda: account.update_worklist(worklist_id, status='done'))",
    ),
    Row(
        "api.annotationsets.get_annotations_specs(worklist_id)",
        "account.update_worklist(worklist_id, labels=[{'type': 'label', 'scope': 'image', 'identifier': 'blur'}])\n"
        "account.worklist(worklist_id).labels",
        "[each['identifier'] for each in result] == ['blur']",
    ),
    Row(
        "api.annotationsets.get_segmentation_group(worklist_id)",
        "account.worklist(worklist_id).native['segmentation_group']",
        "result == {}",
    ),
    Row("api.channels.get_list()", "account.channels()", "sorted(each.name for each in result) == ['Unknown', 'gc']"),
    Row("api.channels.get_all()", "account.channels()", "len(result) == 2"),
    Row(
        "api.channels.get_by_id('gc')",
        "next(each for each in account.channels() if each.name == 'gc')",
        "set(result.resources) == {resource_id, picture_id}",
    ),
    Row("api.users.get_list()", "account.users()", "len(result) == 3"),
    Row("api.users.get_all()", "account.users()", "len(result) == 3"),
    Row(
        "api.users.get_by_email('admin@sandbox.example')",
        "next(each for each in account.users() if each.email == 'admin@sandbox.example')",
        "result.email == 'admin@sandbox.example'",
    ),
    Row(
        "api.users.get_by_id('admin@sandbox.example')",
        "next(each for each in account.users() if each.email == 'admin@sandbox.example')",
        "result.email == 'admin@sandbox.example'",
        "The address is the id.",
    ),
    Row(
        "api.users.create('new@example.org', 'secret', 'New', 'User', ['annotator'])",
        "account.create_user('new@example.org', 'secret', first_name='New', last_name='User', roles=['annotator'])",
        "result.roles == ('annotator',)",
    ),
    Row("api.close()", "account.close()", "result is None", "Or with Datamint() as account:"),
]
"""Calls of `Api`, the client of today."""

DOCUMENTED = """
APIHandler add_annotations add_frame_category_annotation add_image_category_annotation add_line_annotation
create_project create_user delete_project delete_resources download_project download_resource_file
download_resource_frame get_annotation_worklist get_annotation_worklist_by_id get_annotations get_channels get_datasets
get_experiment_by_name get_project_by_id get_project_by_name get_projects get_resource_annotations get_resources
get_resources_by_ids get_resources_by_project get_users publish_resources update_annotation_worklist upload_resources
upload_segmentations DatamintException ResourceNotFoundError ResourceFields ResourceStatus
"""
"""Every name in the documentation of `APIHandler`."""

NOT_OFFERED = {
    "experiments, which are MLflow's by now": (
        "create_experiment finish_experiment get_experiment_by_id get_experiment_by_name get_experiment_logs "
        "get_experiments log_entry log_model log_summary update_experiment"
    ),
    "models, their images and what they predict": "models.* deploy.* inference.*",
    "splits, statistics and messages of a project, and who works on it": (
        "projects.assign_splits projects.get_splits projects.get_resource_split projects.get_annotation_statuses "
        "projects.get_annotations_stats projects.get_annotator_status projects.get_annotators_stats "
        "projects.get_files_matrix_stats projects.get_review_messages projects.get_members projects.set_member "
        "projects.remove_member projects.reset_annotator_status projects.get_models"
    ),
    "changing what a project or a person is": (
        "projects.patch projects.partial_update users.update_user users.delete_user users.invite "
        "users.get_invitations users.revoke_invitation annotationsets.update_segmentation_group"
    ),
}
"""What moves no cases and says nothing of them, by why."""

EVERYWHERE = {"close", "convert_format", "get_status_code", "standardize_segmentation_names"}
"""Calls that each section of `Api` has, and that the tables name once."""


def left_out(offered: Iterable[str]) -> list[str]:
    """Calls that a client offers and that are neither in a table nor among what is not offered."""
    shown = set().union(*(row.names for row in (*HANDLER, *API)))
    assert shown >= EVERYWHERE
    patterns = [pattern for names in NOT_OFFERED.values() for pattern in names.split()]
    return [
        name
        for name in sorted(offered)
        if name not in shown
        and name.rpartition(".")[2] not in EVERYWHERE
        and not any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
