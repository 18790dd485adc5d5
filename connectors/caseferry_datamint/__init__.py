"""Datamint: resources, annotations and projects, through its REST interface."""

from caseferry_datamint.connector import DatamintConnector

__all__ = ["DatamintConnector"]
