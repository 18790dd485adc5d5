"""DICOM RT structure sets: their contours as polygons, polylines and points, and back.

A hole is cut open: one contour goes from the outline to the hole, around it the other way, and back along the same
line. The slit encloses nothing, so every program that fills contours finds the hole, whether it counts crossings or
windings, and reading takes it out again; see `caseferry.exchange.rtstruct.keyholes`.
"""

from caseferry.exchange.rtstruct.reading import read_structures
from caseferry.exchange.rtstruct.writing import write_structures

__all__ = ["read_structures", "write_structures"]
