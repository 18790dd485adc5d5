"""Object stores: what lies in a bucket is listed, found and written.

Reading, and where credentials come from: `caseferry.files.objects`.
"""

from __future__ import annotations

from caseferry.files.objects import StorageError
from caseferry.storage.bucket import Bucket, Stored

__all__ = ["Bucket", "StorageError", "Stored"]
