"""Masks, run lengths and polygons, with one declared pixel-edge convention."""
