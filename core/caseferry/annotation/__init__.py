"""Annotations: what people and models found in an image, as plain data.

Every position is a continuous voxel index of the named image: (column, row), or (column, row, slice); 0-based, with
integers at voxel centres. A two-dimensional position needs `frame` where the image has more than one plane: the index
of the plane, 0-based, in the image's own order (for a volume the slice, ordered along the normal; for a cine the
frame; slices run fastest where an image has both).
"""

from caseferry.annotation.base import KINDS, Annotation, Code, Source, Status
from caseferry.annotation.mask import LARGEST_LABEL, Mask
from caseferry.annotation.placed import (
    Angle,
    Box,
    Ellipse,
    Line,
    Placed,
    Point,
    Point2,
    Point3,
    Polygon,
    Polyline,
    Position,
)
from caseferry.annotation.reading import annotation_from_json
from caseferry.annotation.said import Category, Label, Numeric, Raw, Text, slug
from caseferry.annotation.track import Range, Shape, Track

__all__ = [
    "KINDS",
    "LARGEST_LABEL",
    "Angle",
    "Annotation",
    "Box",
    "Category",
    "Code",
    "Ellipse",
    "Label",
    "Line",
    "Mask",
    "Numeric",
    "Placed",
    "Point",
    "Point2",
    "Point3",
    "Polygon",
    "Polyline",
    "Position",
    "Range",
    "Raw",
    "Shape",
    "Source",
    "Status",
    "Text",
    "Track",
    "annotation_from_json",
    "slug",
]
