"""What the platform finds in a file. Reads headers; pixels only where nothing else tells whether a file is whole."""

from caseferry_darwin.sandbox.reading.dicom import read_series
from caseferry_darwin.sandbox.reading.image import read_image
from caseferry_darwin.sandbox.reading.nifti import is_nifti, read_nifti
from caseferry_darwin.sandbox.reading.pdf import read_pdf
from caseferry_darwin.sandbox.reading.picture import Picture, UnreadableFile
from caseferry_darwin.sandbox.reading.video import read_video
from caseferry_darwin.sandbox.reading.volume import PLANES, Volume

__all__ = [
    "PLANES",
    "Picture",
    "UnreadableFile",
    "Volume",
    "is_nifti",
    "read_image",
    "read_nifti",
    "read_pdf",
    "read_series",
    "read_video",
]
