"""Commands for whoever sets a platform up."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from caseferry.cli.arguments import as_json, choosing, opening
from caseferry.cli.given import open_given, selection
from caseferry.cli.telling import DONE, SOME_FAILED, print_array

if TYPE_CHECKING:
    from caseferry.cli.arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add ``connectors``, ``doctor``, ``mapping init``, and those of single platforms."""
    from caseferry.registry import schemes

    commands.add("connectors", connectors, "list the platforms that are installed", as_json())
    looking = commands.add("doctor", doctor, "find out why a dataset cannot be used", opening(), as_json())
    looking.add_argument("url", metavar="URL")
    commands.group("mapping", "begin a mapping of names", "init").add(
        "init",
        mapping_init,
        "print a first mapping from the names in the cases of SRC and what is there in DST",
        choosing("the dataset that shall be written"),
        opening(),
    )
    for scheme in schemes():
        commands.add_of_platform(scheme, own)


def doctor(given: Any) -> int:
    """Find out why a dataset cannot be used."""
    from caseferry.doctor import diagnose
    from caseferry.registry import DatasetURL, connector

    scheme = DatasetURL.parse(given.url).scheme
    remote = connector(scheme).describe().remote
    failed = False
    findings = []
    for finding in diagnose(scheme, lambda: open_given(given.url, given), remote=remote):
        failed |= finding.level == "error"
        findings.append(finding)
        if not given.json:
            print(finding, flush=True)
    if given.json:
        print_array(finding.to_json() for finding in findings)
    return SOME_FAILED if failed else DONE


def own(given: Any) -> int:
    """Run a command that only one platform has."""
    from caseferry.registry import connector

    return connector(given.command).command(given.rest)


def connectors(given: Any) -> int:
    """List the platforms that are installed."""
    from caseferry.registry import connector, schemes
    from caseferry.text import table

    kinds = {scheme: connector(scheme) for scheme in schemes()}
    if given.json:
        print_array(
            {"scheme": scheme, "summary": kind.summary, "capabilities": kind.describe().to_json()}
            for scheme, kind in kinds.items()
        )
    else:
        rows = [[f"{scheme}:", kind.summary, ", ".join(kind.settings)] for scheme, kind in kinds.items()]
        print(table(rows, ["SCHEME", "WHAT IT IS", "OPTIONS"]))
    return DONE


def mapping_init(given: Any) -> int:
    """Print a first mapping from the names in the cases of one dataset and what is there in another."""
    from caseferry.mapping.first import first_mapping, names_in
    from caseferry.registry import DatasetURL, connector

    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        select = selection(given.select)
        used = names_in(item.case() for item in source.items() if select is None or select(item))
        for label, details in source.label_details().items():
            if label in used.names["labels"]:
                used.tell(label, details)
        scheme = DatasetURL.parse(given.target).scheme
        print(first_mapping(scheme, used, target.offered(), connector(scheme).label_fields))
    return DONE
