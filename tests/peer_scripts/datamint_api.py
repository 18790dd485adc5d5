"""What datamint's `Api` (2.5.0 or 2.16.0) does with a folder of files; prints what each call returned or raised."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from datamint.api.client import Api
from datamint.entities import Resource
from medimgkit.nifti_utils import read_nifti_slice

folder = Path(sys.argv[1])
new = version("datamint") != "2.5.0"
outcome = {"client": f"Api {version('datamint')}"}
NOWHERE = "00000000-0000-4000-8000-000000000000"


def step(name, do):
    try:
        outcome[name] = do()
    except Exception as error:  # noqa: BLE001  the test says which errors are right
        outcome[name] = {"raised": type(error).__name__, "text": str(error)}
    return outcome[name]


def told(entity):
    return json.loads(json.dumps(entity.asdict(), default=str))


def ids(entities):
    return [entity.id for entity in entities]


api = Api()
resources, annotations, projects = api.resources, api.annotations, api.projects
project = projects.get_by_name("sandbox")
step("project", lambda: told(projects.get_by_id(project.id)))
step("unknown_project", lambda: projects.get_by_id(NOWHERE))

dicom = step("dicom", lambda: resources.upload_resource(str(folder / "single.dcm"), channel="ct", tags=["a b"]))
nifti = step("nifti", lambda: resources.upload_resource(str(folder / "volume.nii.gz"), publish=True))
picture = step(
    "picture",
    lambda: resources.upload_resource(
        str(folder / "Ünï (95).png"), publish_to="sandbox", modality="XR", metadata={"site": "A", "width": "mine"}
    ),
)
slices = sorted(str(path) for path in folder.glob("series/*.dcm"))
series = step("series", lambda: resources.upload_resources(slices, tags=["series"]))
many = step("many", lambda: resources.upload_resources(slices, assemble_dicoms=False, tags=["many"]))

step("publish", lambda: resources.publish_resources([dicom, picture]))
step("publish_again", lambda: resources.publish_resources(dicom))
step("publish_unknown", lambda: resources.publish_resources(NOWHERE))
step("add_to_project", lambda: projects.add_resources([nifti, dicom], project))

step("resource", lambda: told(resources.get_by_id(picture)))
step("kinds", lambda: [type(resources.get_by_id(each)).__name__ for each in (dicom, nifti, picture)])
step("unknown", lambda: resources.get_by_id(NOWHERE))
step("all", lambda: ids(resources.get_list()))
step("first_two", lambda: ids(resources.get_list(limit=2)))
step("published", lambda: ids(resources.get_list(status="published")))
step("by_tag", lambda: ids(resources.get_list(tags=["many", "absent"])))
step("by_channel", lambda: ids(resources.get_list(channel="ct")))
step("by_name", lambda: ids(resources.get_list(filename="Ünï (95).png")))
step("by_project", lambda: ids(resources.get_list(project_name="sandbox")))
step("by_modality", lambda: ids(resources.get_list(modality="XR")))
step("by_mimetype", lambda: ids(resources.get_list(mimetype="application/nifti")))
step("from_future", lambda: ids(resources.get_list(from_date="2999-01-01")))
step("to_future", lambda: len(resources.get_list(to_date="2999-01-01")))
step("of_project", lambda: ids(projects.get_project_resources(project)))
step("channels", lambda: [told(each) for each in api.channels.get_list()])

step("dicom_bytes", lambda: resources.download_resource_file(dicom, auto_convert=False).hex())
step("nifti_bytes", lambda: resources.download_resource_file(nifti, auto_convert=False).hex())
step("nifti_shape", lambda: list(resources.download_resource_file(nifti).shape))
step("dicom_patient", lambda: str(resources.download_resource_file(dicom).PatientID))
step("nifti_frame", lambda: np.asarray(resources.download_resource_frame(nifti, 0)).tolist())
step("nifti_slice", read_nifti_slice(str(folder / "volume.nii.gz"), 0, plane="axial")[0][0].tolist)
step("dicom_frame", lambda: np.asarray(resources.download_resource_frame(dicom, 0)).tolist())
step("series_frame", lambda: np.asarray(resources.download_resource_frame(series[0], 2)).tolist())
step("picture_frame", lambda: list(resources.download_resource_frame(picture, 0).size))
step("no_frame", lambda: resources.download_resource_frame(nifti, 99))

step("tags", lambda: resources.set_tags(resources.get_by_id(picture), ["x", "y"]).json())
step("tags_of_many", lambda: resources.set_tags([picture, nifti], ["x", "z"]).json())
step("tags_of_characters", lambda: resources.set_tags(picture, ["x"]).json())

worklist = project.worklist_id
step("category", lambda: annotations.create_image_classification(picture, "view", "lateral", imported_from="old"))
step(
    "several",
    lambda: annotations.create(
        picture,
        [
            {"type": "label", "identifier": "lesion", "scope": "image"},
            {"type": "category", "identifier": "view", "scope": "frame", "frame_index": 0, "value": "good"},
            {"type": "line", "identifier": "length", "scope": "frame", "frame_index": 0}
            | {"geometry": {"points": [[1, 2, 0], [3, 4, 0]]}, "annotation_worklist_id": worklist},
        ],
    ),
)
step("refused", lambda: annotations.create(picture, [{"type": "nonsense", "identifier": "x", "scope": "image"}]))
step(
    "line_patient",
    lambda: annotations.add_line_annotation(
        (1.5, 2.5, 3.5), (4.0, 5.0, 6.0), dicom, "diameter", coords_system="patient", project="sandbox"
    ),
)
mask = np.zeros((8, 6, 2), np.uint8)
mask[1, 1, 0], mask[2, 2, 1] = 1, 2
names = {(1, 1, 1): "one", (2, 2, 2): "two"}
step("frame_masks", lambda: annotations.upload_segmentations(picture, mask, names))
volume = annotations.upload_volume_segmentation if new else annotations.upload_segmentations
step("volume", lambda: volume(nifti, str(folder / "labels.nii.gz"), {1: "liver", 3: "tumor"}))
step("volume_unnamed", lambda: volume(nifti, str(folder / "labels.nii.gz")))
step("annotations", lambda: [told(each) for each in annotations.get_list(picture)])
step("volume_annotations", lambda: [told(each) for each in annotations.get_list(nifti, "segmentation")])
step("on_worklist", lambda: [each.identifier for each in annotations.get_list(worklist_id=worklist)])
step("of_dataset", lambda: len(annotations.get_list(dataset_id=project.dataset_id)))
step("of_two", lambda: len(annotations.get_list([picture, nifti])))
step("annotation", lambda: told(annotations.get_by_id(outcome["several"][0])))
step("liver_bytes", lambda: annotations.download_file(outcome["volume"][0]).hex())
step("mask_bytes", lambda: annotations.download_file(outcome["frame_masks"][0]).hex())
step("patch", lambda: annotations.patch(outcome["several"][0], identifier="renamed"))
step("patched", lambda: annotations.get_by_id(outcome["several"][0]).identifier)
step("delete_annotation", lambda: annotations.delete(outcome["several"][0]))
step("annotation_gone", lambda: annotations.get_by_id(outcome["several"][0]))
step("delete_annotations", lambda: annotations.bulk_delete(outcome["frame_masks"]))
step("left", lambda: [each.identifier for each in annotations.get_list(picture)])
corners = {"type": "square", "identifier": "box", "scope": "frame", "frame_index": 0}
step("box", lambda: annotations.create(dicom, [corners | {"geometry": {"points": [[1, 2, 0], [7, 9, 0]]}}]))
step("boxes", lambda: [told(each) for each in annotations.get_list(dicom, "square")])

step("work_status", lambda: projects.set_work_status(project, nifti, "closed"))
step("create_project", lambda: told(projects.create("second", "made by the api", [dicom])))
step("duplicate_project", lambda: projects.create("second", "again"))
step("users", lambda: ids(api.users.get_list()))
step("create_user", lambda: api.users.create("new@sandbox.example", "secret", "New", "User", ["annotator"]))
step("models", lambda: [api.models.create("net")["name"], api.models.get_by_name("net")["name"]])
step("segmentation_group", lambda: api.annotationsets.get_segmentation_group(worklist))
if new:
    step("bulk_publish", lambda: resources.bulk_publish([*many, dicom]))
    step("approve", lambda: annotations.approve(outcome["several"][1]))
    step("approved", lambda: ids(annotations.get_list(status="published")))
    step("delete_batch", lambda: annotations.delete_batch([outcome["several"][1]]))
    step("not_annotated", lambda: ids(resources.get_not_annotated(status="published")))
    step("splits", lambda: projects.assign_splits(project, [nifti], "train"))
    step("split", lambda: projects.get_resource_split(project, nifti).split_name)
    step("no_split", lambda: projects.get_resource_split(project, dicom))
    step("all_splits", lambda: [each.resource_id for each in projects.get_splits(project, "train")])
    step("members", lambda: [each["user_id"] for each in projects.get_members(project)])
    step("set_member", lambda: projects.set_member(project, "member@sandbox.example", ["PROJECT_ANNOTATOR"]))
    step("members_after", lambda: [each["user_id"] for each in projects.get_members(project)])
    step("worklist", lambda: projects.get_worklist(project)["id"])
    spec = [{"type": "category", "identifier": "x", "scope": "image", "required": False, "values": ["1"]}]
    step("create_worklist", lambda: api.annotationsets.create("list", [nifti], annotations=spec))
    step("update_worklist", lambda: api.annotationsets.update(outcome["create_worklist"], status="active"))
    definitions = [{"identifier": "liver", "color": [255, 0, 0], "index": 1}]
    step("put_group", lambda: api.annotationsets.update_segmentation_group(worklist, definitions))
    step("group", lambda: api.annotationsets.get_segmentation_group(worklist))
    step("table", lambda: projects.download_annotations(project, folder / "table.csv", progress_bar=False))
    step("user", lambda: told(api.users.get_by_email("new@sandbox.example")))
    step("datasets", lambda: [each.name for each in api._datasetsinfo.get_list()])
    step("archive", lambda: api._datasetsinfo.download(project.dataset_id, folder / "set.zip", progress_bar=False))
    step("line_on_nifti", lambda: annotations.add_line_annotation((0, 0), (1, 1), nifti, "on nifti", 1))
    step("exists_ok", lambda: projects.create("second", "again", exists_ok=True).id)
step("delete_project", lambda: projects.delete(outcome["create_project"]["id"]))
step("archived", lambda: [each.archived for each in projects.get_list(params={"includeArchived": True})])
step("active", lambda: [each.name for each in projects.get_list()])
step("delete", lambda: resources.delete(dicom))
step("bulk_delete", lambda: resources.bulk_delete([many[1], Resource.model_construct(id=many[2])]))
step("delete_unknown", lambda: resources.delete(NOWHERE))
step("deleted", lambda: resources.get_by_id(dicom))
step("all_at_last", lambda: ids(resources.get_list()))
print(json.dumps(outcome, default=str))
