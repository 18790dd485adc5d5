"""What datamint's `APIHandler` does with a folder of files; prints what each call returned or raised."""

import json
import sys
from pathlib import Path

import numpy as np
from datamint.apihandler.api_handler import APIHandler

folder = Path(sys.argv[1])
outcome = {"client": "APIHandler 2.5.0"}


def step(name, do):
    try:
        outcome[name] = do()
    except Exception as error:  # noqa: BLE001  the test says which errors are right
        outcome[name] = {"raised": type(error).__name__, "text": str(error)}
    return outcome[name]


def read(path):
    return Path(path).read_bytes().hex()


api = APIHandler()
step("projects", api.get_projects)
project = outcome["projects"][0]
step("project_by_id", lambda: api.get_project_by_id(project["id"]))
step("unknown_project", lambda: api.get_project_by_id("00000000-0000-4000-8000-000000000000"))

dicom = step("dicom", lambda: api.upload_resources(str(folder / "single.dcm"), channel="ct", tags=["a b", "c,d"]))
nifti = step("nifti", lambda: api.upload_resources(str(folder / "volume.nii.gz"), publish=True))
picture = step(
    "picture",
    lambda: api.upload_resources(
        str(folder / "Ünï (95).png"), publish_to="sandbox", modality="XR", metadata=[{"site": "A", "width": "mine"}]
    ),
)
slices = sorted(str(path) for path in folder.glob("series/*.dcm"))
series = step("series", lambda: api.upload_resources(slices, tags=["series"]))
many = step("many", lambda: api.upload_resources(slices, assemble_dicoms=False, tags=["many"]))

step("publish", lambda: api.publish_resources(dicom))
step("publish_again", lambda: api.publish_resources(dicom))
step("publish_to_project", lambda: api.publish_resources([many[0]], "sandbox"))
step("publish_unknown", lambda: api.publish_resources("00000000-0000-4000-8000-000000000000"))

step("resource", lambda: api.get_resources_by_ids(picture))
step("all", lambda: [each["id"] for each in api.get_resources()])
step("ids_only", lambda: list(api.get_resources(return_ids_only=True)))
step("inbox", lambda: [each["id"] for each in api.get_resources(status="inbox")])
step("by_tag", lambda: [each["id"] for each in api.get_resources(tags=["many", "absent"])])
step("by_channel", lambda: [each["id"] for each in api.get_resources(channel="ct")])
step("by_name", lambda: [each["id"] for each in api.get_resources(filename="Ünï (95).png")])
step("by_project", lambda: [each["id"] for each in api.get_resources(project_name="sandbox")])
step("by_mimetype", lambda: [each["id"] for each in api.get_resources(mimetype="application/nifti")])
step("descending", lambda: [each["id"] for each in api.get_resources(order_field="filename", order_ascending=False)])
step("of_project", lambda: [each["id"] for each in api.get_project_resources(project["id"])])
step("channels", lambda: list(api.get_channels()))

step("dicom_bytes", lambda: api.download_resource_file(dicom, auto_convert=False).hex())
step("nifti_bytes", lambda: api.download_resource_file(nifti, auto_convert=False).hex())
step("nifti_shape", lambda: list(api.download_resource_file(nifti).shape))
step("dicom_patient", lambda: str(api.download_resource_file(dicom).PatientID))
step("several", lambda: [read(each) for each in api.download_multiple_resources([dicom, nifti], str(folder))])
step("nifti_frame", lambda: np.asarray(api.download_resource_frame(nifti, 0)).tolist())
step("dicom_frame", lambda: np.asarray(api.download_resource_frame(dicom, 0)).tolist())
step("series_frame", lambda: np.asarray(api.download_resource_frame(series[0], 2)).tolist())
step("picture_frame", lambda: list(api.download_resource_frame(picture, 0).size))
step("no_frame", lambda: api.download_resource_frame(nifti, 99))

step("tags", lambda: api.set_resource_tags(picture, ["x", "y"]).json())

worklist = project["worklist_id"]
step("label", lambda: api.add_annotations(picture, "lesion"))
step("category_frames", lambda: api.add_annotations(nifti, "quality", (0, 2), value="good", worklist_id=worklist))
step(
    "category",
    lambda: api.add_image_category_annotation(picture, "view", "lateral", imported_from="old", project="sandbox"),
)
step("line", lambda: api.add_line_annotation((1, 2), (3, 4), dicom, "length", frame_index=0, project="sandbox"))
step("box", lambda: api.add_box_annotation((1, 2), (7, 9), picture, "box", frame_index=0))
mask = np.zeros((8, 6, 2), np.uint8)
mask[1, 1, 0], mask[2, 2, 1] = 1, 2
step("frame_masks", lambda: api.upload_segmentations(picture, mask, {1: "one", 2: "two"}))
step("volume", lambda: api.upload_segmentations(nifti, str(folder / "labels.nii.gz"), {1: "liver", 3: "tumor"}))
step("volume_unnamed", lambda: api.upload_segmentations(nifti, str(folder / "labels.nii.gz")))
step("annotations", lambda: list(api.get_annotations(resource_id=picture)))
step("volume_annotations", lambda: list(api.get_annotations(nifti, annotation_type="segmentation")))
step("on_worklist", lambda: [each["identifier"] for each in api.get_annotations(worklist_id=worklist)])
step("of_dataset", lambda: len(list(api.get_annotations(dataset_id=project["dataset_id"]))))
step("annotation", lambda: api.get_annotation_by_id(outcome["label"][0]))
step("liver_bytes", lambda: api.get_segmentation_file(nifti, outcome["volume"][0]).hex())
step("mask_bytes", lambda: api.get_segmentation_file(picture, outcome["frame_masks"][0]).hex())
step("status", lambda: api.set_annotation_status(project["id"], many[0], "closed"))
step("delete_annotation", lambda: api.delete_annotation(outcome["label"][0]))
step("label_gone", lambda: api.get_annotation_by_id(outcome["label"][0]))

step("worklists", lambda: list(api.get_annotation_worklist(status="new")))
step("worklist", lambda: api.get_annotation_worklist_by_id(worklist))
step(
    "update_worklist",
    lambda: api.update_annotation_worklist(worklist, status="active", frame_labels=["f"], image_labels=["i"]),
)
step("create_project", lambda: api.create_project("second", "made by the handler", [dicom]))
step("duplicate_project", lambda: api.create_project("second", "again", []))
step("download_project", lambda: api.download_project(project["id"], str(folder / "project.zip")))
step("datasets", api.get_datasets)
step("dataset", lambda: api.get_dataset_by_id(project["dataset_id"]))
step("users", api.get_users)
step("create_user", lambda: api.create_user("new@sandbox.example", "secret", "New", "User", ["annotator"]))
step("delete_project", lambda: api.delete_project(outcome["create_project"]["id"]))
step("projects_at_last", lambda: [each["name"] for each in api.get_projects()])
step("delete", lambda: api.delete_resources([dicom, many[1]]))
step("delete_unknown", lambda: api.delete_resources("00000000-0000-4000-8000-000000000000"))
step("deleted", lambda: api.get_resources_by_ids(dicom))
step("all_at_last", lambda: len(list(api.get_resources())))
print(json.dumps(outcome, default=str))
