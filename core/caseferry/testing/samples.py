"""Small images of every kind and cases made of them: odd sizes, odd spacing, no symmetry, nobody's name.

Every voxel of an image differs from its mirror image, so that a flipped axis cannot go unseen.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import (
    Angle,
    Annotation,
    Box,
    Category,
    Code,
    Ellipse,
    Label,
    Line,
    Mask,
    Numeric,
    Point,
    Polygon,
    Polyline,
    Raw,
    Text,
    Track,
)
from caseferry.case import Attachment, Case, Image
from caseferry.files import FileRef
from caseferry.geometry import Geometry
from caseferry.imaging.convert import nifti_bytes, planes_of, write_metaimage, write_png
from caseferry.imaging.kinds import Kind
from caseferry.imaging.pdf import one_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (7, 5, 4)
SPACING_MM = (0.75, 0.5, 2.5)
ROOT_UID = "1.2.826.0.1.3680043.8.498.77"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
ULTRASOUND_MULTIFRAME_STORAGE = "1.2.840.10008.5.1.4.1.1.3.1"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def oblique() -> NDArray[np.float64]:
    """An affine that is turned about all axes, with a different spacing along each; voxel to LPS, millimetres."""
    turned = np.eye(3)
    for axis, angle in ((0, 0.3), (1, -0.2), (2, 0.5)):
        cosine, sine = np.cos(angle), np.sin(angle)
        a, b = [each for each in range(3) if each != axis]
        turn = np.eye(3)
        turn[a, a], turn[a, b], turn[b, a], turn[b, b] = cosine, -sine, sine, cosine
        turned = turn @ turned
    affine = np.eye(4)
    affine[:3, :3] = turned * SPACING_MM
    affine[:3, 3] = (-31.5, 12.25, 108.0)
    return affine


def ramp(shape: Sequence[int], dtype: str = "int16", low: int = -40) -> NDArray[Any]:
    """Voxels [column, row, slice, …] of which no two are alike, as far as the type allows."""
    count = int(np.prod(shape))
    return (np.arange(count) * 3 + low).astype(dtype).reshape(shape, order="F")


class Samples:
    """Images and cases, written to a folder as they are asked for.

    Parameters
    ----------
    folder : where their files go
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    # -- images ----------------------------------------------------------------------------------------------------

    def image(self, kind: Kind, role: str = "") -> Image:
        """An image of a kind; its role is the kind's name unless another is given.

        Raises
        ------
        MissingDependency
            A video is asked for, and the package that encodes one is not installed.
        """
        makers: dict[Kind, Callable[[str], list[Path]]] = {
            Kind.DICOM_SERIES: self._series,
            Kind.DICOM_MULTIFRAME: self._multiframe,
            Kind.NIFTI: self._nifti,
            Kind.METAIMAGE: self._metaimage,
            Kind.NRRD: self._nrrd,
            Kind.PICTURE: self._picture,
            Kind.VIDEO: self._video,
            Kind.PDF: self._pdf,
            Kind.WSI: self._slide,
        }
        role = role or str(kind)
        return Image(role, makers[kind](role))

    def _series(self, role: str) -> list[Path]:
        """Four CT slices, their files named against their order in space."""
        affine, voxels = oblique(), ramp(SHAPE)
        paths = []
        for index in range(SHAPE[2]):
            dataset = _dicom(CT_STORAGE, role, index + 1)
            dataset.Modality = "CT"
            dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
            dataset.ImageOrientationPatient = _decimals(
                [*affine[:3, 0] / SPACING_MM[0], *affine[:3, 1] / SPACING_MM[1]]
            )
            dataset.ImagePositionPatient = _decimals(affine[:3, 3] + affine[:3, 2] * index)
            dataset.RescaleSlope, dataset.RescaleIntercept = 1, -40
            stored = (voxels[:, :, index].T + 40).astype("<u2")
            _set_pixels(dataset, stored, bits=16)
            paths.append(self._write(f"{role}/{SHAPE[2] - index:03}.dcm", _encoded(dataset)))
        return paths

    def _multiframe(self, role: str) -> list[Path]:
        """A cine of six colour frames without a place in the patient."""
        frames = (np.arange(6 * 5 * 7 * 3) * 7 % 251).astype(np.uint8).reshape(6, 5, 7, 3)
        dataset = _dicom(ULTRASOUND_MULTIFRAME_STORAGE, role, 1)
        dataset.Modality = "US"
        dataset.NumberOfFrames = 6
        dataset.FrameTime = 40
        dataset.FrameIncrementPointer = 0x00181063
        _set_pixels(dataset, frames, bits=8)
        return [self._write(f"{role}.dcm", _encoded(dataset))]

    def _nifti(self, role: str) -> list[Path]:
        content = nifti_bytes(ramp(SHAPE), Geometry(SHAPE, oblique()))
        return [self._write(f"{role}.nii.gz", content)]

    def _metaimage(self, role: str) -> list[Path]:
        out = io.BytesIO()
        write_metaimage(out, planes_of(ramp(SHAPE, "uint8", 1)), Geometry(SHAPE, oblique()), "uint8")
        return [self._write(f"{role}.mha", out.getvalue())]

    def _nrrd(self, role: str) -> list[Path]:
        """Written by hand from the format's definition: teem.sourceforge.net/nrrd/format.html."""
        affine = oblique()
        directions = " ".join("({})".format(",".join(map(repr, map(float, affine[:3, axis])))) for axis in range(3))
        origin = "({})".format(",".join(map(repr, map(float, affine[:3, 3]))))
        header = (
            "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
            f"sizes: {SHAPE[0]} {SHAPE[1]} {SHAPE[2]}\nspace directions: {directions}\n"
            f"kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: {origin}\n\n"
        )
        return [self._write(f"{role}.nrrd", header.encode() + ramp(SHAPE).astype("<i2").tobytes(order="F"))]

    def _picture(self, role: str) -> list[Path]:
        out = io.BytesIO()
        write_png(out, [(np.arange(9 * 11 * 3) * 5 % 256).astype(np.uint8).reshape(9, 11, 3)], "uint8", 3)
        return [self._write(f"{role}.png", out.getvalue())]

    def _video(self, role: str) -> list[Path]:
        try:
            import av
        except ImportError as error:
            from caseferry.errors import MissingDependency

            raise MissingDependency("video", "making a sample video") from error
        path = self._write(f"{role}.mp4", b"")
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
            for number in range(8):
                pixels = (np.arange(16 * 32 * 3).reshape(16, 32, 3) // 3 + 9 * number).astype(np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return [path]

    def _pdf(self, role: str) -> list[Path]:
        return [self._write(f"{role}.pdf", one_page("A sample"))]

    def _slide(self, role: str) -> list[Path]:
        """A tiled TIFF of one tile, written by hand from TIFF 6.0, sections 2 and 15."""
        side = 16
        tile = (np.arange(side * side * 3) % 256).astype(np.uint8).tobytes()
        entries = [
            (256, 3, 1, side),  # ImageWidth
            (257, 3, 1, side),  # ImageLength
            (258, 3, 1, 8),  # BitsPerSample, alike for all samples
            (259, 3, 1, 1),  # Compression: none
            (262, 3, 1, 2),  # PhotometricInterpretation: RGB
            (277, 3, 1, 3),  # SamplesPerPixel
            (282, 5, 1, 8 + len(tile)),  # XResolution
            (283, 5, 1, 8 + len(tile)),  # YResolution: the same
            (296, 3, 1, 3),  # ResolutionUnit: centimetres
            (322, 3, 1, side),  # TileWidth
            (323, 3, 1, side),  # TileLength
            (324, 4, 1, 8),  # TileOffsets
            (325, 4, 1, len(tile)),  # TileByteCounts
        ]
        directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        resolution = struct.pack("<II", 40_000, 1)
        content = b"II*\0" + struct.pack("<I", 16 + len(tile)) + tile + resolution + directory + struct.pack("<I", 0)
        return [self._write(f"{role}.tif", content)]

    # -- cases -----------------------------------------------------------------------------------------------------

    def case(self, case_id: str = "sample", kind: Kind = Kind.NIFTI, **parts: Any) -> Case:
        """A case of one image, with whatever else is given."""
        return Case(id=case_id, images=[self.image(kind)], **parts)

    def full_case(self, case_id: str = "full", kinds: Sequence[Kind] = (Kind.DICOM_SERIES, Kind.PICTURE)) -> Case:
        """A case with everything a case can have, each kind of annotation among it.

        Parameters
        ----------
        kinds : of its images; annotations with a place lie in the first, which must be a volume
        """
        images = [self.image(kind) for kind in kinds]
        return Case(
            id=case_id,
            title="A case with everything: ünïcode, 心臓",
            images=images,
            annotations=self.annotations(images[0]),
            values={"number": 1.5, "flag": True, "list": [1, "two", None], "nested": {"ä": {"deep": 0.1}}},
            attachments=[
                Attachment("report", FileRef.of_bytes(one_page("Report"), "report.pdf", "application/pdf")),
                Attachment("table", FileRef.of_bytes(b"a,b\r\n1,2\r\n", "table.csv", "text/csv")),
            ],
            tags=["train", "two words", "comma, inside"],
            folder="site-a/2024",
            metadata={"site": "A", "scanner": {"field": 1.5}},
        )

    def annotations(self, image: Image) -> list[Annotation]:
        """One annotation of each kind on a volume of the samples, with every field used somewhere."""
        role, grid = image.role, image.geometry
        assert grid is not None
        labels = np.zeros(grid.shape, np.uint8)
        labels[0:2, 0:1, 0] = 1
        labels[4:7, 2:5, 1:3] = 2
        labels[5, 3, 2] = 0
        import datetime as dt

        when = dt.datetime(2024, 2, 29, 13, 45, 6, 123000, tzinfo=dt.UTC)
        return [
            Label(role, "artefact", frame=1, status="approved", reviewer="second@example.org"),
            Label(None, "whole case"),
            Category(role, "quality", "good", author="reader@example.org", created=when),
            Category(role, "phase", "late", frame=2),
            Numeric(role, "volume", 12.25, unit="ml", source="model", model="segmenter 2", confidence=0.5),
            Text(role, "comment", 'quotes " and\nlines, 日本'),
            Point(role, (2.5, 1.25), frame=2, label="tip"),
            Point(role, [(0, 0, 0), (6, 4, 3)], label="ends"),
            Line(role, [(1, 1), (5.5, 3.25)], frame=1, label="diameter", attributes={"steps": [1, 2]}),
            Polyline(role, [(0, 0), (3, 1), (6, 4)], frame=0, label="vessel"),
            Box(role, [(1, 0), (5, 4)], frame=2, label="region"),
            Polygon(role, [(1, 1), (5, 1), (5, 3.5), (2, 4)], frame=3, label="outline"),
            Polygon(role, [[(0, 0), (6, 0), (6, 4), (0, 4)], [(2, 1), (4, 1), (3, 3)]], frame=1, label="with a hole"),
            Ellipse(role, [(1, 2), (5, 2), (3, 1), (3, 3)], frame=0, label="lesion"),
            Angle(role, [(0, 0), (3, 0), (3, 4)], frame=2, label="angle"),
            Mask.of_array(
                role,
                labels,
                {1: "spot", 2: "blob"},
                grid.affine,
                author="reader@example.org",
                codes=(Code("4147007", "SCT", "Mass"),),
            ),
            Track(
                role,
                [
                    Box(role, [(0, 1), (2, 3)], frame=0, label="catheter"),
                    Box(role, [(3, 1), (6, 4)], frame=2, label="catheter", attributes={"tip": "seen"}),
                ],
                ranges=[(0, 1), (3, 3)],
                interpolated=True,
                author="reader@example.org",
            ),
            Track(role, [Label(role, "contrast", frame=1)], ranges=[(1, 2)]),
            Raw(role, platform="elsewhere", payload={"kept": ["whole", 1]}),
        ]


# -- files ---------------------------------------------------------------------------------------------------------


def _dicom(storage: str, role: str, number: int) -> Any:
    """A DICOM dataset without pixels that names nobody."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import generate_uid

    def uid(*words: object) -> str:
        return str(generate_uid(prefix=f"{ROOT_UID}.", entropy_srcs=[str(word) for word in words]))

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = storage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid(role, number)
    dataset.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE_ENDIAN
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid(role)
    dataset.FrameOfReferenceUID = uid("frame of reference")
    dataset.PatientName, dataset.PatientID, dataset.PatientIdentityRemoved = "", "", "YES"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, number
    return dataset


def _set_pixels(dataset: Any, pixels: NDArray[Any], bits: int) -> None:
    colour = pixels.shape[-1] == 3 and pixels.ndim > 2
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    content = pixels.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)


def _encoded(dataset: Any) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _decimals(numbers: Iterable[float]) -> list[str]:
    """Numbers in the sixteen characters that a decimal string may take."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(number)) for number in numbers]
