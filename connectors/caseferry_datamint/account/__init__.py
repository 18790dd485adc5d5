"""What Datamint has beside the cases of its projects: projects themselves, worklists, channels, people, single files.

Cases are moved by the verbs of a dataset, on every platform alike. What is here is Datamint's own, and is asked of an
account: that by which a dataset was opened, `DatamintDataset.account`, or one to which one signs in, `Datamint`.
"""

from __future__ import annotations

from caseferry.closing import Closing
from caseferry_datamint.account.annotations import Annotations
from caseferry_datamint.account.people import People
from caseferry_datamint.account.projects import Projects
from caseferry_datamint.account.resources import Resources
from caseferry_datamint.account.worklists import Worklists

__all__ = ["Account"]


class Account(Projects, Resources, Annotations, Worklists, People, Closing):
    """All sections of an account on Datamint."""

    def close(self) -> None:
        """Give connections back."""
        self._client.http.close()
