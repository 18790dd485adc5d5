"""Local stand-ins of the platforms, which the platforms' own clients accept.

A `Sandbox` serves one stand-in per platform on loopback, each with an object store of its own, and keeps a
ledger of every request. Latency, faults and processing delays are switched on while it runs. What a stand-in
does is written from the platform's documented and measured behaviour, never from the connector it judges.

>>> from caseferry.sandbox import Sandbox
>>> with Sandbox() as sandbox:              # doctest: +SKIP
...     sandbox.variables["DATAMINT_API_URL"]
"""

from caseferry.errors import MissingDependency

try:
    import aiohttp  # noqa: F401  whether it is there
    import trustme  # noqa: F401  likewise
except ImportError as error:
    raise MissingDependency("sandbox", "the sandbox") from error

from caseferry.sandbox.faults import Fault, Faults
from caseferry.sandbox.ledger import Entry, Ledger
from caseferry.sandbox.server import Sandbox
from caseferry.sandbox.standin import Host, Settings, StandIn

__all__ = ["Entry", "Fault", "Faults", "Host", "Ledger", "Sandbox", "Settings", "StandIn"]
