"""Hands a client of datamint over to caseferry, which is found by the paths given; prints what both see.

The first argument is a file of certificates that the client trusts; empty for the usual ones.
"""

import json
import sys
from importlib.metadata import version

import hollow  # noqa: F401  before datamint

certificates, *paths = sys.argv[1:]
sys.path[:0] = paths

from datamint_names import offered  # noqa: E402

from caseferry_datamint import from_sdk  # noqa: E402  after the paths are known

if version("datamint") == "2.5.0":
    from datamint.apihandler.api_handler import APIHandler

    client = APIHandler()
    seen = [each["name"] for each in client.get_projects()]
else:
    from datamint.api.client import Api

    client = Api(verify_ssl=certificates or True)
    seen = [each.name for each in client.projects.get_list()]

with from_sdk(client) as account:
    account.create_project("made by caseferry")
    projects = [each.name for each in account.projects()]
    with account.open(seen[0]) as dataset:
        items = [item.case_id for item in dataset.items()]
told = {"client": type(client).__name__, "seen": seen, "projects": projects, "items": items}
print(json.dumps({**told, "offered": offered()}))
