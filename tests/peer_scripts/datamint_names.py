"""The names of the calls that the installed version of datamint offers."""

from importlib.metadata import version

import hollow  # noqa: F401  before datamint


def calls(kind):
    return [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]


def offered():
    """Those of `APIHandler` where there is one, and those of the sections of `Api`."""
    names = []
    if version("datamint") == "2.5.0":
        from datamint.apihandler.api_handler import APIHandler

        names += calls(APIHandler)
    from datamint.api.client import Api

    api = Api(api_key="none", check_connection=False)
    names += calls(Api)
    for section in dir(Api):
        if isinstance(getattr(Api, section), property) and not section.startswith("_"):
            names += [f"{section}.{name}" for name in calls(type(getattr(api, section)))]
    return names
