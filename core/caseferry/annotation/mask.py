"""Labelled voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.annotation.base import Annotation, whole
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef, PathLike, encodable, file_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_LABEL = 65535
"""The greatest voxel value that can mean something in a mask."""


@dataclass(frozen=True, repr=False)
class Mask(Annotation):
    """Labelled voxels: a label map, or one structure.

    Parameters
    ----------
    file : the label map as NIfTI, MetaImage, NRRD or PNG; on the grid of the image, in whichever order of axes
    labels : voxel value to name; 0 is background. With `label` alone, every voxel of value 1 is that.
    frame : the plane that a two-dimensional mask belongs to
    """

    kind: ClassVar[str] = "mask"
    needs_label: ClassVar[bool] = False

    file: FileRef = None  # type: ignore[assignment]  # checked when built: a mask without a file is refused
    labels: Mapping[int, str] = field(default_factory=dict)

    if TYPE_CHECKING:  # the generated constructor, which takes a path too

        def __init__(
            self,
            image: str | None = None,
            file: FileRef | PathLike | None = None,
            labels: Mapping[int, str] | None = None,
            **common: Any,
        ) -> None: ...

    def _problems(self) -> list[str]:
        problems = []
        if not self.image:
            problems.append("image is missing: name the role of the image")
        try:
            self._set("file", FileRef.of(self.file))
        except (TypeError, FileProblem) as error:
            problems.append(f"file cannot be used: {error}")
        given: Any = self.labels or ({1: self.label} if self.label else {})
        if not isinstance(given, Mapping):
            return [*problems, f"labels is {given!r}, expected voxel values and their names"]
        if not given:
            problems.append("labels is missing: say what each voxel value means")
        labels = {}
        for value, name in given.items():
            number = whole(value)
            if number is None or number < 1 or not name or not isinstance(name, str) or not encodable(name):
                problems.append(f"labels has {value!r}: {name!r}, expected a whole number from 1 and a name")
            else:
                labels[number] = name
        if not problems:
            self._set("labels", {value: labels[value] for value in sorted(labels)})
        return problems

    @classmethod
    def of_array(
        cls, image: str, array: NDArray[Any], labels: Mapping[int, str], affine: NDArray[np.float64], **common: Any
    ) -> Mask:
        """A mask from an array at hand, carried inside the description.

        Parameters
        ----------
        array : whole numbers [column, row, slice] or [column, row, slice, frame]
        affine : shape (4, 4); voxel to LPS, millimetres: usually ``image.geometry.affine``

        Raises
        ------
        InvalidCase
            The array is no label map: of other dimensions, or with values that are not whole numbers from 0 to 65535.
        """
        import numpy as np

        from caseferry.geometry import Geometry
        from caseferry.imaging.convert import nifti_bytes

        stored = np.asarray(array)
        if problem := _array_problem(stored):
            raise InvalidCase(None, [Problem("Mask", f"array {problem}")])
        stored = stored.astype(np.min_scalar_type(int(stored.max(initial=0))))
        columns, rows, slices = stored.shape[:3]
        geometry = Geometry((columns, rows, slices), affine, stored.shape[3] if stored.ndim > 3 else 1)
        content = nifti_bytes(stored, geometry, labels=True)
        return cls(
            image, FileRef.of_bytes(content, file_name(image, "-mask.nii.gz"), "application/nifti"), labels, **common
        )

    def voxels(self) -> NDArray[Any]:
        """The values, whole numbers, [column, row, slice] and then frame, in the order of the mask's own file."""
        from caseferry.imaging.picture import numbers_of
        from caseferry.imaging.pixels import load_voxels
        from caseferry.imaging.reading import read_header

        ref = numbers_of(self.file, read_header([self.file]))
        return load_voxels([ref], read_header([ref]))


def _array_problem(array: NDArray[Any]) -> str | None:
    """Why an array is no label map, or None."""
    if array.ndim not in {3, 4} or not array.size:
        return f"has the shape {array.shape}, expected [column, row, slice] or [column, row, slice, frame]"
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and not (array == array.round()).all()):
        return "holds values that are not whole numbers: it is no label map; threshold it first"
    if array.min() < 0 or array.max() > LARGEST_LABEL:
        return f"holds values from {array.min()} to {array.max()}, expected whole numbers from 0 to {LARGEST_LABEL}"
    return None
