"""The way in: one signs in to an account, and opens its projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from caseferry_datamint.account import Account
from caseferry_datamint.connector import DatamintConnector, sign_in

if TYPE_CHECKING:
    from caseferry.deidentify import Phi
    from caseferry.mapping import MappingSource
    from caseferry_datamint.client import DatamintClient
    from caseferry_datamint.dataset import DatamintDataset


class Datamint(Account):
    """An account on Datamint.

    >>> from caseferry_datamint import Datamint
    >>> with Datamint() as account:                                     # doctest: +SKIP
    ...     waiting = [each.id for each in account.resources(status="inbox", channel="ct")]
    ...     account.publish(waiting, project="covid-reading")
    ...     dataset = account.open("covid-reading")

    Parameters
    ----------
    url, api_key : of the server and the user; else from ``DATAMINT_API_URL`` and ``DATAMINT_API_KEY``, or from the
        official client's ``datamintapi.yaml``
    ca : a file of trusted certificates, for a private server
    profile : a named profile of caseferry's configuration file
    client : one that is there already, instead of all these

    Raises
    ------
    MissingCredentials
        There is no key. No request is made before the first question.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        ca: str | None = None,
        profile: str | None = None,
        client: DatamintClient | None = None,
    ) -> None:
        super().__init__(client or sign_in({"url": url, "api_key": api_key, "ca": ca, "profile": profile}))

    def open(
        self,
        project: str | None,
        *,
        channel: str | None = None,
        publish: bool = True,
        worklist: str | None = None,
        authors: Literal["keep", "import"] = "keep",
        mapping: MappingSource = None,
        phi: Phi = "refuse",
    ) -> DatamintDataset:
        """A project as a dataset, with all verbs; the same as ``caseferry.connect("datamint:PROJECT", …)``.

        Parameters
        ----------
        project : its name or its id; None for the resources that are in no project: cases that are put there are in
            one as soon as `publish` or `add_to_project` puts their resources into it
        channel, publish, worklist, authors : see `DatamintConnector`
        mapping, phi : see `caseferry.connect`

        Raises
        ------
        NotFound
            There is no such project.
        """
        options = {"channel": channel, "publish": publish, "worklist": worklist, "authors": authors}
        opener = DatamintConnector(**options, mapping=mapping, phi=phi)
        return opener.opened(project, self._client.another())
