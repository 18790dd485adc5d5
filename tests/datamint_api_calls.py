"""The calls of `datamint.Api`, the client of today, and what is written instead.

In the right column `account` is a `Datamint()`, `dataset` its project "sandbox", `item` a case of that project with a
volume "ct" and a picture "xr"; the other names are those of a fixture.
"""

from __future__ import annotations

from datamint_rows import Row

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
