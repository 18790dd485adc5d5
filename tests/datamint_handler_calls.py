"""The calls of `datamint.APIHandler` but those of annotations, and what is written instead.

In the right column `account` is a `Datamint()`, `dataset` its project "sandbox", `item` a case of that project with a
volume "ct" and a picture "xr"; the other names are those of a fixture.
"""

from __future__ import annotations

from datamint_rows import Row

RESOURCES = [
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
        "result.case().metadata == {'site': 'A'} and account.resource(result.id).native['metadata']['site'] == 'A'",
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
]
"""To open an account, projects and resources."""

ACCOUNT = [
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
"""Worklists, people and errors."""
