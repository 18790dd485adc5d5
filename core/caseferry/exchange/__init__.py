"""Annotations in files that other programs write and read: `read`, `write`, and one module for each format.

No platform is asked. A connector may offer the format of its platform; see `Connector.file_formats`.
"""

from caseferry.exchange.format import FileFormat
from caseferry.exchange.verbs import formats, read, write
from caseferry.exchange.written import Written

__all__ = ["FileFormat", "Written", "formats", "read", "write"]
