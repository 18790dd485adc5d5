"""DICOM segmentations: read as masks, one for each segment, and written from masks (needs the extra ``dicom-seg``)."""

from caseferry.exchange.dicom_seg.reading import read_segmentation
from caseferry.exchange.dicom_seg.writing import write_segmentation

__all__ = ["read_segmentation", "write_segmentation"]
