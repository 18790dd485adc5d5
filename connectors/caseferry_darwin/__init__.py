"""V7 Darwin: items with slots, uploaded or registered from external storage, and their annotations."""

from caseferry_darwin.connector import DarwinConnector
from caseferry_darwin.team import Darwin

__all__ = ["Darwin", "DarwinConnector"]
