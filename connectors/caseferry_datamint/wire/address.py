"""By what the resources of one case are known.

Datamint has no container between a project and a resource: a case is all resources that say so. Every resource that
is put here carries a tag by which the platform finds the case, and a ``source_filepath`` that says which file of
which image of which case it is. The platform's own clients put the path of the user's file there; this one never
sends a local path.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

TAG = "caseferry:"
ROOT = "caseferry"


def case_tag(case_id: str) -> str:
    """The tag that all resources of a case carry. Tags are joined with commas on the wire, so it holds none."""
    return TAG + quote(case_id, safe=" ")


def is_own_tag(tag: str) -> bool:
    """Whether a tag is one that finds a case, and none that a person gave."""
    return tag.startswith(TAG)


def reason_against_tag(tag: str) -> str | None:
    """Why the platform cannot hold a person's tag as it is; None when it can."""
    if "," in tag:
        return "Datamint splits tags at commas"
    if tag != tag.strip():
        return "Datamint strips the blanks around tags"
    if is_own_tag(tag):
        return "tags that begin so find cases here"
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """Which file of which case a resource is.

    Attributes
    ----------
    project : the project's id; the same case may lie in several projects
    image, file : indices, 0-based, of the image in the case and of the file in the image
    role : of the image
    """

    project: str
    case_id: str
    image: int
    role: str
    file: int

    @property
    def lead(self) -> bool:
        """Whether this is the first file of the first image, which carries the sidecar."""
        return self.image == 0 and self.file == 0

    def path(self) -> str:
        """The address as a ``source_filepath``."""
        parts = (ROOT, self.project, self.case_id, f"{self.image}", self.role, f"{self.file}")
        return "/".join(quote(part, safe=" ") for part in parts)

    @classmethod
    def parse(cls, path: object) -> Address | None:
        """Read a ``source_filepath``; None for one that was not written by `path`."""
        parts = [unquote(part) for part in str(path or "").split("/")]
        if len(parts) != 6 or parts[0] != ROOT or not (parts[3].isdigit() and parts[5].isdigit()):
            return None
        return cls(parts[1], parts[2], int(parts[3]), parts[4], int(parts[5]))
