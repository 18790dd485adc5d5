"""Grand Challenge: archives, reader studies, their items and sockets, through gcapi.

A dataset is opened with ``caseferry.connect("grand-challenge:ARCHIVE")``. `from_client` takes a client of gcapi that is
there already; a `Stored` image is one that several items share.
"""

from caseferry_grand_challenge.adopted import from_client
from caseferry_grand_challenge.connector import GrandChallengeConnector
from caseferry_grand_challenge.wire.filling import Stored

__all__ = ["GrandChallengeConnector", "Stored", "from_client"]
