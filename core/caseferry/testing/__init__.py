"""What every connector must do, as a suite of tests that any connector's own tests subclass.

>>> import pytest
>>> from caseferry.testing import ConnectorContract
>>> class TestFolder(ConnectorContract):            # in the connector's own tests
...     @pytest.fixture
...     def url(self, tmp_path):
...         return f"local:{tmp_path}"

Needs pytest, and pydicom's writer for the sample cases, which are made here and name nobody.
"""

from caseferry.testing.contract import ConnectorContract
from caseferry.testing.samples import Samples

__all__ = ["ConnectorContract", "Samples"]
