"""The platform-neutral description of one case: plain data, valid once built, written as JSON and read back equal."""

from __future__ import annotations

from caseferry.case.case import VERSION, Attachment, Case, schema
from caseferry.case.image import Image

__all__ = ["VERSION", "Attachment", "Case", "Image", "schema"]
