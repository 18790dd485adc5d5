"""Prints the names of the calls that a version of datamint offers: of `APIHandler`, and of the sections of `Api`."""

import json
from importlib.metadata import version

import hollow  # noqa: F401  before datamint


def calls(kind):
    return [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]


names = []
if version("datamint") == "2.5.0":
    from datamint.apihandler.api_handler import APIHandler

    names += calls(APIHandler)
from datamint.api.client import Api  # noqa: E402  the older one first, as its users import it

api = Api(api_key="none", check_connection=False)
names += calls(Api)
for section in dir(Api):
    if isinstance(getattr(Api, section), property) and not section.startswith("_"):
        names += [f"{section}.{name}" for name in calls(type(getattr(api, section)))]
print(json.dumps(names))
