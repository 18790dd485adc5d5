"""The small interface that every platform implements.

A connector opens datasets; a dataset holds items; an item is a case as it stands on the platform. What a connector
must implement of a dataset stands in `Container`; the verbs are written once, in `Dataset`.
"""

from __future__ import annotations

from caseferry.connector.connector import Connector
from caseferry.connector.dataset import Dataset
from caseferry.connector.item import Item, Spare, State

__all__ = ["Connector", "Dataset", "Item", "Spare", "State"]
