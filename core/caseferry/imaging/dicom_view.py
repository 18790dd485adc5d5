"""A DICOM dataset to be asked for values, many of which the files of one series have in common.

pydicom decodes a value when it is first asked for, in each dataset anew. Here it decodes once what stands with the same
bytes in several files, which is most of what a series is asked for: its sizes, its spacing, its type of pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

PLAIN = frozenset({"AS", "CS", "DA", "DS", "FD", "FL", "IS", "SL", "SS", "TM", "UI", "UL", "US"})
"""Value representations that mean the same in every file, whatever else stands in it."""

LONGEST = 256
"""Bytes of a value that is remembered."""


class View:
    """The values of a dataset by their keywords, as pydicom decodes them.

    Parameters
    ----------
    dataset : a pydicom dataset; it is not changed meanwhile
    """

    __slots__ = ("_elements", "dataset")

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self._elements = {int(element.tag): element for element in dataset.values()}

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self._elements

    def get(self, keyword: str, default: Any = None) -> Any:
        """A value; `default` where there is none.

        Raises
        ------
        Exception
            What pydicom makes of a damaged value.
        """
        tag = _tag(keyword)
        element = self._elements.get(tag)
        if element is None:
            return default
        value = element.value
        vr = getattr(element, "is_raw", False) and (element.VR or _vr(tag))
        if vr in PLAIN and isinstance(value, bytes) and len(value) <= LONGEST:
            return _decoded(tag, element.VR, value, element.is_implicit_VR, element.is_little_endian)
        return self.dataset[tag].value


@lru_cache(maxsize=1024)
def _tag(keyword: str) -> int:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None:
        raise AssertionError(keyword)
    return int(tag)


@lru_cache(maxsize=1024)
def _vr(tag: int) -> str:
    from pydicom.datadict import dictionary_VR

    return str(dictionary_VR(tag))


@lru_cache(maxsize=4096)
def _decoded(tag: int, vr: str | None, value: bytes, implicit: bool, little_endian: bool) -> Any:
    from pydicom.dataelem import RawDataElement, convert_raw_data_element
    from pydicom.tag import Tag

    raw = RawDataElement(Tag(tag), vr, len(value), value, 0, implicit, little_endian)
    return convert_raw_data_element(raw).value
