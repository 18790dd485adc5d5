"""Annotations in files that other programs write and read: `read`, `write`, and one module for each format.

No platform is asked. Other packages offer formats of their own, as a connector does that of its platform: as entry
points of the group ``caseferry.formats``.
"""

from caseferry.exchange.format import FileFormat
from caseferry.exchange.verbs import formats, read, write
from caseferry.exchange.written import Written

__all__ = ["FileFormat", "Written", "formats", "read", "write"]
