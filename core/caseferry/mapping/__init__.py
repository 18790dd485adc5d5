"""Which role becomes which socket, slot or channel, and which label which class or identifier, on each platform.

A mapping is a TOML file, or the same as a dict. A table per platform, in it a table per part of a case; what is not
mapped keeps its own name::

    [grand-challenge]
    sidecar = "case-metadata"            # the socket that holds what has no socket of its own

    [grand-challenge.images]
    ct = "ct-image"                      # role = socket

    [grand-challenge.labels]
    nodule = "lung-segmentation"         # label = socket

    [darwin.labels]
    nodule = "Nodule"                    # label = class
    mass = {name = "Mass", colour = "#c00000", code = "SCT:4147007"}

A label may have a table instead of a name where the platform can use more of it: ``colour`` (``#rrggbb``) and
``code`` (a coded meaning, of which the platform keeps the text) are those of a class that is made for it on Darwin.
``masks = "polygon"`` draws masks of the label as polygons there. What has no ``name`` in such a table keeps its own. On
Datamint a label's name is its identifier.

What becomes of voxels that several masks share is said by ``overlap``, for each platform: ``overlap = "first"``, or the
labels that keep them, ``overlap = ["tumour", "liver"]``; see `caseferry.mapping.overlap`.

A connector may take further tables, which it documents: ``[darwin.roles]`` and ``[darwin.layout]``.
"""

from __future__ import annotations

from caseferry.mapping.names import PARTS, MappingSource, Names, Offered, read_mapping

__all__ = ["PARTS", "MappingSource", "Names", "Offered", "read_mapping"]
