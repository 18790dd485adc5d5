"""Reads a project with a client of datamint; prints every resource and annotation in it, and where masks are set."""

import gzip
import hashlib
import io
import json
import sys
from importlib.metadata import version

import hollow  # noqa: F401  before datamint
import nibabel as nib
import numpy as np
from PIL import Image

VERSION = version("datamint")
project_name, kind = sys.argv[1:]


def where(content):
    """The shape and the set places of a mask: [row, column] of a picture, [i, j, k] of a volume."""
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        array = np.asarray(Image.open(io.BytesIO(content)))
        return {"shape": list(array.shape), "set": np.argwhere(array).tolist(), "values": np.unique(array).tolist()}
    raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    image = nib.Nifti1Image.from_bytes(raw)
    array = np.asarray(image.dataobj)
    return {"shape": list(array.shape), "set": np.argwhere(array).tolist(), "affine": image.affine.tolist()}


def told(entity):
    return json.loads(json.dumps(entity if isinstance(entity, dict) else entity.asdict(), default=str))


found = {"resources": [], "annotations": []}
if kind == "handler":
    from datamint.apihandler.api_handler import APIHandler

    api = APIHandler()
    resources = list(api.get_resources(project_name=project_name))

    def content(resource):
        return api.download_resource_file(resource["id"], auto_convert=False)

    def annotations(resource):
        return list(api.get_annotations(resource["id"]))

    def mask(resource, annotation):
        return api.get_segmentation_file(resource["id"], annotation["id"])
else:
    from datamint.api.client import Api

    api = Api()
    resources = list(api.resources.get_list(project_name=project_name))

    def content(resource):
        return api.resources.download_resource_file(resource["id"], auto_convert=False)

    def annotations(resource):
        return list(api.annotations.get_list(resource["id"]))

    def mask(resource, annotation):
        return api.annotations.download_file(annotation["id"])


for each in resources:
    resource = told(each)
    resource["sha256"] = hashlib.sha256(content(resource)).hexdigest()
    found["resources"].append(resource)
    try:
        listed = [told(each) for each in annotations(resource)]
    except Exception as error:  # noqa: BLE001  the test says which errors are right
        found.setdefault("unlisted", {})[resource["id"]] = f"{type(error).__name__}: {error}"[:300]
        continue
    for annotation in listed:
        annotation.pop("segmentation_data", None)
        if annotation["annotation_type"] == "segmentation":
            annotation["mask"] = where(mask(resource, annotation))
        found["annotations"].append(annotation)
print(json.dumps(found, default=str))
