"""One image of a case: its files, what they are together, and its values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from caseferry.case.form import check_id, each_of
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef, PathLike
from caseferry.imaging.kinds import Kind
from caseferry.plain import Json, only_fields
from caseferry.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.geometry import Geometry
    from caseferry.imaging.header import Header, Layout


Files: TypeAlias = "FileRef | PathLike | Iterable[FileRef | PathLike]"


@dataclass(frozen=True, repr=False)
class Image:
    """One image of a case.

    Parameters
    ----------
    role : what it is in the case: ``ct``, ``overlay``; each role once
    files : its files. For a DICOM series all slices, in any order: they are ordered by position when read
    kind : its kind, when known; else told from the files
    layout : for each plane in order (slices fastest, then frames) the index of its file, and of its frame in that
        file, when known; else read from the files. Empty where planes lie in one file in their own order
    geometry : its grid, when known; else read from the files. For an image that a platform has converted it says
        how the planes are to be understood
    modality : the DICOM modality, when known; else read from the files

    Raises
    ------
    InvalidCase
        There are no files, the role is not a name, or the kind or the layout is none.
    """

    role: str
    files: tuple[FileRef, ...] = ()
    declared_kind: Kind | None = None
    declared_geometry: Geometry | None = None
    declared_modality: str | None = None
    declared_layout: Layout | None = None

    def __repr__(self) -> str:
        return brief(self)

    def __init__(
        self,
        role: str,
        files: Files = (),
        *,
        kind: Kind | str | None = None,
        geometry: Geometry | None = None,
        modality: str | None = None,
        layout: Iterable[Sequence[int]] | None = None,
    ) -> None:
        problems = [Problem("role", text) for text in check_id(role, "name for the image")]
        refs: list[FileRef] = []
        single = isinstance(files, str | FileRef) or hasattr(files, "__fspath__")
        for index, source in enumerate([files] if single else cast("Iterable[Any]", files)):
            try:
                refs.append(FileRef.of(source))
            except (FileProblem, TypeError) as error:
                problems.append(Problem(f"files[{index}]", str(error)))
        if not refs and not problems:
            problems.append(Problem("files", "is empty: an image has at least one file"))
        if kind is not None and kind not in set(Kind):
            problems.append(Problem("kind", f"is {kind!r}, expected one of {', '.join(Kind)}"))
        pairs = None
        try:
            pairs = tuple((int(file), int(frame)) for file, frame in layout) if layout is not None else None
        except (TypeError, ValueError):
            problems.append(Problem("layout", "is not a list of pairs: the index of a file, and of a frame in it"))
        if problems:
            raise InvalidCase(None, problems)
        object.__setattr__(self, "role", role)
        object.__setattr__(self, "files", tuple(refs))
        object.__setattr__(self, "declared_kind", Kind(kind) if kind is not None else None)
        object.__setattr__(self, "declared_geometry", geometry)
        object.__setattr__(self, "declared_modality", modality)
        object.__setattr__(self, "declared_layout", pairs)

    @cached_property
    def header(self) -> Header:
        """What the files' headers say; read once.

        Raises
        ------
        ImageProblem
            A file is damaged, or the files do not make one image.
        FileProblem
            A file is not there.
        """
        from caseferry.imaging.reading import read_header

        return read_header(self.files)

    @property
    def kind(self) -> Kind:
        """What the files are together."""
        return self.declared_kind or self.header.kind

    @property
    def geometry(self) -> Geometry | None:
        """The grid; None for what has none (PDF)."""
        return self.declared_geometry or self.header.geometry

    @property
    def modality(self) -> str | None:
        """The DICOM modality, when there is one."""
        return self.declared_modality or self.header.modality

    @property
    def layout(self) -> Layout:
        """For each plane in order the index of its file, and of its frame in that file; empty where that is plain."""
        return self.declared_layout if self.declared_layout is not None else self.header.layout

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the voxel values."""
        import numpy as np

        return np.dtype(self.header.dtype)

    def voxels(self) -> NDArray[Any]:
        """All values: [column, row, slice], then frame where there is more than one, then channel likewise.

        Rescaling that the files ask for is applied.
        """
        from caseferry.imaging.pixels import load_voxels

        return load_voxels(self.files, self.header, self.geometry)

    def planes(self) -> Iterator[NDArray[np.generic]]:
        """The planes one at a time: slice by slice and frame after frame, [row, column] and then channel."""
        from caseferry.imaging.reading import planes

        return planes(self.files, self.header)

    def to_json(self) -> dict[str, Json]:
        """Plain data; `from_json` gives an equal image."""
        document: dict[str, Json] = {"role": self.role, "files": [ref.to_json() for ref in self.files]}
        if self.declared_kind is not None:
            document["kind"] = str(self.declared_kind)
        if self.declared_geometry is not None:
            document["geometry"] = self.declared_geometry.to_json()
        if self.declared_modality is not None:
            document["modality"] = self.declared_modality
        if self.declared_layout is not None:
            document["layout"] = [[file, frame] for file, frame in self.declared_layout]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Image:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidCase
            Something in it is missing, unknown or out of range.
        """
        only_fields(document, ("role", "files", "kind", "geometry", "modality", "layout"))
        problems = [Problem("role", text) for text in check_id(document.get("role", ""), "name for the image")]
        files = each_of("files", document.get("files", ()), FileRef.from_json, problems)
        if problems:
            raise InvalidCase(None, problems)
        grid = document.get("geometry")
        if grid is not None:
            from caseferry.geometry import Geometry

            grid = Geometry.from_json(grid)
        return cls(
            document["role"],
            files,
            kind=document.get("kind"),
            geometry=grid,
            modality=document.get("modality"),
            layout=document.get("layout"),
        )

    def with_files(self, files: Iterable[FileRef]) -> Image:
        """The same image with other references to its files."""
        return self._again(self.role, files)

    def renamed(self, role: str) -> Image:
        """The same image in another role."""
        return self._again(role, self.files)

    def _again(self, role: str, files: Iterable[FileRef]) -> Image:
        return Image(
            role,
            files,
            kind=self.declared_kind,
            geometry=self.declared_geometry,
            modality=self.declared_modality,
            layout=self.declared_layout,
        )
