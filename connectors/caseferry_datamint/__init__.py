"""Datamint: resources, annotations and projects, through its REST interface.

A dataset is opened with ``caseferry.connect("datamint:PROJECT")``. `Datamint` is the account: projects, worklists,
channels, people and single resources. `from_sdk` takes a client of Datamint's own that is there already.
"""

from caseferry_datamint.connector import DatamintConnector
from caseferry_datamint.entrance import Datamint
from caseferry_datamint.sdk import from_sdk

__all__ = ["Datamint", "DatamintConnector", "from_sdk"]
