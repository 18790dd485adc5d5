"""A folder as a platform: one directory per case, with its files and its description."""

from caseferry_local.connector import LocalConnector

__all__ = ["LocalConnector"]
