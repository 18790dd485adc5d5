"""Masks, run lengths and outlines, with one declared pixel-edge convention.

The convention: the pixel (column, row) is the square from half a pixel before its centre to half a pixel behind it.
The outline of a mask runs along the edges of pixels, at k - 0.5 for whole k. A pixel belongs to an outline when its
centre lies within an odd number of rings. A centre that lies on a ring belongs to what begins there, towards higher
columns and, on a horizontal edge, towards higher rows: outlines that tile the plane give masks that tile it.

So a mask that is traced and filled again is the same mask, bit for bit.

Arrays are indexed as everywhere in this package: [column, row], then slice and frame. A ring is an array of shape
(n, 2); column, row; continuous voxel indices, 0-based, integers at centres; the first point is not repeated.
"""

from caseferry.shapes.agreement import Agreement, agreement
from caseferry.shapes.drawn import outlined, paint, polygons
from caseferry.shapes.ellipse import outline_error, same_ellipse, upright_axes
from caseferry.shapes.fill import box_mask, ellipse_mask, ellipse_ring, fill, fill_into
from caseferry.shapes.overlap import apart, flattened
from caseferry.shapes.rings import ring_area, straightened
from caseferry.shapes.runs import run_lengths, runs_to_plane
from caseferry.shapes.trace import trace, trace_planes

__all__ = [
    "Agreement",
    "agreement",
    "apart",
    "box_mask",
    "ellipse_mask",
    "ellipse_ring",
    "fill",
    "fill_into",
    "flattened",
    "outline_error",
    "outlined",
    "paint",
    "polygons",
    "ring_area",
    "run_lengths",
    "runs_to_plane",
    "same_ellipse",
    "straightened",
    "trace",
    "trace_planes",
    "upright_axes",
]
