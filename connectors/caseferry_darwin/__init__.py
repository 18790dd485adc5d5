"""V7 Darwin: items with slots, uploaded or registered from external storage, and their annotations."""

from caseferry_darwin.connector import DarwinConnector

__all__ = ["DarwinConnector"]
