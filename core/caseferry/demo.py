"""The main job on real scans, with no account and no internet: ``caseferry demo``.

Cases made from scans that ship with pydicom and nibabel go into a Grand Challenge archive, from there to Datamint, to
Darwin and home into a folder. The platforms are the sandbox's stand-ins; everything else is what any transfer does.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from contextlib import ExitStack, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caseferry.annotation import Box, Category, Label, Line, Mask, Numeric, Point, Polygon, Text
from caseferry.case import Attachment, Case, Image
from caseferry.errors import ConfigurationError, MissingDependency
from caseferry.files import FileRef
from caseferry.imaging.pdf import one_page
from caseferry.registry import connect
from caseferry.text import duration, size, table
from caseferry.transfers.run import transfer
from caseferry.transfers.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.sandbox import Sandbox
    from caseferry.transfers.outcome import Report


STEPS = ("FROM", "TO", "CASES", "CALLS", "SENT", "TIME", "CONVERTED", "IN SIDECAR", "READ BACK")


def run(folder: Path | None = None) -> bool:
    """Run the demo, tell how it goes, and say whether all is well.

    Parameters
    ----------
    folder : where to put what is made; must be empty or not there yet; a new temporary folder when None
    """
    from caseferry.sandbox import Sandbox

    place = _place(folder)
    print("Stand-ins of Grand Challenge, Datamint and Darwin begin to serve on this machine.")
    with Sandbox() as sandbox:
        os.environ.update(sandbox.variables)
        _make_cases(place / "start")
        reports = list(_journey(sandbox, place))
        last = verify(f"local:{place / 'start'}", f"local:{place / 'home'}")
    print()
    print(_summary(place / "home"))
    print()
    print(table([_row(report, place) for report in reports], STEPS))
    print()
    return _conclude(reports, last, place)


def _place(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="caseferry-demo-"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"--folder names {str(folder)!r}, which is not an empty folder"
        raise ConfigurationError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# -- the cases -----------------------------------------------------------------------------------------------------


def _make_cases(folder: Path) -> None:
    """Write the cases into a folder. The names of patients in the samples are invented ones."""
    with connect(f"local:{folder}") as start, _samples() as (pydicom_files, nibabel_files):
        for case in _cases(pydicom_files, nibabel_files):
            start.put(case)
            shown = ", ".join(f"{image.role} ({image.kind})" for image in case.images)
            print(f"  {case.id:<12} {shown}, {len(case.annotations)} annotations")


@contextmanager
def _samples() -> Iterator[tuple[Path, Path]]:
    """The folders of sample files in pydicom and nibabel."""
    with ExitStack() as opened:
        dicom, nifti = (
            opened.enter_context(as_file(files(package).joinpath(*parts)))
            for package, parts in (("pydicom", ("data", "test_files")), ("nibabel", ("tests", "data")))
        )
        for path in (dicom, nifti):
            if not path.is_dir():
                msg = f"the sample files {path} are not installed; install pydicom and nibabel from their wheels"
                raise ConfigurationError(msg)
        yield dicom, nifti


def _cases(dicom: Path, nifti: Path) -> Iterator[Case]:
    """The five cases of the demo.

    Parameters
    ----------
    dicom, nifti : folders of sample files in pydicom and nibabel
    """
    ct = Image("ct-image", sorted((dicom / "dicomdirtests/98892001/CT5N").iterdir()))
    yield Case(
        id="demo-ct",
        title="CT series of five slices",
        images=[ct],
        annotations=[
            Line("ct-image", [(3, 4), (11.5, 9)], frame=2, label="Distance measurement", author="reader@example.org"),
            Point("ct-image", (8, 7, 1), label="Point", confidence=0.9),
            Category("ct-image", "quality", "diagnostic"),
        ],
        values={"lung-volume": 4.25, "is-normal": False},
        attachments=[Attachment("report", FileRef.of_bytes(one_page("Demo report"), "report.pdf", "application/pdf"))],
        tags=["train", "chest"],
        folder="site-a",
        metadata={"site": "A", "protocol": {"kernel": "soft", "dose": 1.5}},
    )
    yield Case(
        id="demo-mr",
        title="MR series of two slices",
        images=[Image("mr-image", [nifti / "0.dcm", nifti / "1.dcm"])],
        annotations=[
            Box("mr-image", [(90, 100), (150, 160)], frame=1, label="2D bounding box"),
            Polygon("mr-image", [(40, 40), (80, 44), (70, 90)], frame=0, label="Polygon"),
        ],
        tags=["train"],
    )
    volume = Image("generic-medical-image", nifti / "anatomical.nii")
    yield Case(
        id="demo-volume",
        title="NIfTI volume with a label map",
        images=[volume],
        annotations=[_label_map(volume), Numeric("generic-medical-image", "brain volume", 912.5, unit="ml")],
        values={"findings": ["nodule"]},
        folder="site-b",
    )
    yield Case(
        id="demo-us",
        title="Ultrasound of thirty frames",
        images=[Image("us-image", dicom / "examples_ybr_color.dcm")],
        annotations=[
            Label("us-image", "artefact", frame=12),
            Point("us-image", (160, 120), frame=7, label="Point"),
            Text("us-image", "comment", "apical view, größte Welle"),
        ],
    )
    yield Case(
        id="demo-xray",
        title="Radiograph",
        images=[Image("xray-image", dicom / "dicomdirtests/77654033/CR1/6154")],
        annotations=[Box("xray-image", [(2, 3), (9, 12)], label="2D bounding box")],
        values={"severity": "mild"},
    )


def _label_map(volume: Image) -> Mask:
    """Bright and dark tissue of a volume, told apart by its own grey values."""
    grid = volume.geometry
    assert grid is not None  # noqa: S101  a NIfTI volume has a grid
    grey = volume.voxels()
    low, high = np.quantile(grey[grey > 0], [0.5, 0.9])
    labels = np.select([grey >= high, grey >= low], [2, 1], 0).astype(np.uint8)
    return Mask.of_array(volume.role, labels, {1: "left lung", 2: "right lung"}, grid.affine, label="lung")


# -- the journey ---------------------------------------------------------------------------------------------------


def _journey(sandbox: Sandbox, place: Path) -> Iterator[Report]:
    """Each step of the way: from a folder into the archive, through two platforms, and home."""
    stops = [f"local:{place / 'start'}"]
    for platform in ("grand-challenge", "datamint", "darwin"):
        if platform not in sandbox.standins:
            raise MissingDependency("all", f"the demo's stand-in of {platform}")
        stops.append(sandbox.standins[platform].dataset)
    stops.append(f"local:{place / 'home'}")
    for number, (source, target) in enumerate(itertools.pairwise(stops), start=1):
        print(f"{_short(source, place)} -> {_short(target, place)} …", flush=True)
        # the samples' patients are invented, and the stand-ins are on this machine; what a platform has no name for is
        # made there, or lies beside the case, and comes home all the same
        journal = place / "journals" / f"{number}.db"
        yield transfer(source, target, journal=journal, phi="keep", unmapped="accept")


def _short(url: str, place: Path) -> str:
    return url.replace(f"{place}{os.sep}", "")


def _row(report: Report, place: Path) -> list[str]:
    return [
        _short(report.source, place),
        _short(report.target, place),
        str(report.arrived),
        str(report.calls),
        size(report.bytes),
        duration(report.seconds),
        str(report.losses["converted"]),
        str(report.losses["sidecar"]),
        "all equal" if report.ok else "NO",
    ]


def _summary(home: Path) -> str:
    """What came home, case by case."""
    rows = []
    with connect(f"local:{home}") as dataset:
        for item in dataset.items():
            case = item.case()
            images = "; ".join(_grid(image) for image in case.images)
            counts = (len(case.annotations), len(case.values), len(case.attachments))
            rows.append([case.id, case.title or "", images, *map(str, counts)])
    return table(rows, ["CASE", "TITLE", "CAME HOME AS", "ANNOTATIONS", "VALUES", "FILES"])


def _grid(image: Image) -> str:
    grid = image.geometry
    shape = "x".join(map(str, grid.shape)) if grid is not None else ""
    return f"{image.kind} {shape}"


def _conclude(reports: list[Report], last: Report, place: Path) -> bool:
    problems = [result for report in [*reports, last] for result in report.problems]
    for result in problems:
        print(f"{result.outcome} {result.case_id}: {result.reason}")
    if problems:
        print(f"{len(problems)} problems; what was made lies in {place}")
        return False
    print(f"All {last.total} cases came home with the same voxels, places, annotations, values and files.")
    print(f"They lie in {place}; look at one with: caseferry show local:{place / 'home'} demo-ct")
    return True
