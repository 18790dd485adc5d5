"""The calls of `datamint.APIHandler` for annotations, and what is written instead.

In the right column `account` is a `Datamint()`, `dataset` its project "sandbox", `item` a case of that project with a
volume "ct" and a picture "xr"; the other names are those of a fixture.
"""

from __future__ import annotations

from datamint_rows import Row

ANNOTATIONS = [
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
]
