"""Fills a reader study and makes a DICOM image set with gcapi alone."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import gcapi
import pydicom
from gcapi import SocketValueSpec

folder = Path(sys.argv[1])
client = gcapi.Client(base_url=os.environ["GRAND_CHALLENGE_URL"], verify=os.environ["CASEFERRY_CA"])


def wait(find: object, sockets: set[str]) -> object:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        case = find()
        if sockets <= {value.socket.slug for value in case.values}:
            return case
        time.sleep(0.02)
    raise SystemExit(f"never had {sockets}")


posted = client.add_case_to_archive(
    archive_slug="sandbox",
    values=[
        SocketValueSpec("dicom-image-set", files=sorted((folder / "series").iterdir()), image_name="the set"),
        SocketValueSpec("ct-image", files=[folder / "ct.nii.gz"]),
    ],
)
item = wait(lambda: client.archive_items.detail(pk=posted.pk), {"dicom-image-set", "ct-image"})
images = {value.socket.slug: value.image for value in item.values}
dicom = client.images.detail(api_url=images["dicom-image-set"])
instances = client.images.download(pk=dicom.pk, output_directory=folder / "instances")

study = client.reader_studies.detail(slug="sandbox-study")
first = client.add_case_to_reader_study(
    reader_study_slug="sandbox-study",
    title="shown",
    values=[
        SocketValueSpec("ct-image", existing_image_api_url=images["ct-image"]),
        SocketValueSpec("lung-volume", value=1.0),
    ],
)
second = client.add_case_to_reader_study(reader_study_slug="sandbox-study", values=[], order=None)
client.update_display_set(display_set_pk=second.pk, values=[SocketValueSpec("report-text", value="fine")], order=5)
sets = list(client.reader_studies.display_sets.iterate_all(params={"reader_study": study.pk}))
print(
    json.dumps(
        {
            "set": {"name": dicom.name, "files": dicom.files, "instances": len(instances)},
            "pixels": [hashlib.sha256(pydicom.dcmread(path).PixelData).hexdigest() for path in instances],
            "study": study.title_safe,
            "order": [first.order, second.order],
            "sets": [[one.title_safe, one.order, one.index, len(one.values)] for one in sets],
            "main": sets[0].view_content,
        }
    )
)
