"""Move annotated medical imaging cases between platforms, with nothing lost.

>>> import caseferry as cf
>>> folder = cf.connect("local:./cases")
>>> case = cf.Case(id="LIDC-0001", tags=["train"])
>>> case.to_json()["tags"]
['train']

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caseferry.annotation import (
        Angle,
        Annotation,
        Box,
        Category,
        Code,
        Ellipse,
        Label,
        Line,
        Mask,
        Numeric,
        Point,
        Polygon,
        Polyline,
        Raw,
        Text,
        Track,
    )
    from caseferry.capability import Capabilities, Limits
    from caseferry.case import Attachment, Case, Image
    from caseferry.connector import Connector, Dataset, Item, State
    from caseferry.errors import (
        AlreadyExists,
        AuthenticationFailed,
        Cancelled,
        CaseferryError,
        ConfigurationError,
        GeometryError,
        IdentifiableData,
        Inexpressible,
        IntegrityMismatch,
        InvalidCase,
        ItemsBlocked,
        MissingCredentials,
        MissingDependency,
        NotFound,
        PermissionDenied,
        PlatformError,
        ProcessingFailed,
        RateLimited,
        TemporaryFailure,
        TransferError,
        UnexpectedResponse,
        UnmappedLabels,
        UnsupportedOperation,
    )
    from caseferry.files import FileRef
    from caseferry.geometry import Geometry
    from caseferry.held import Held, Loss
    from caseferry.imaging.kinds import Kind
    from caseferry.plan import Call, Plan
    from caseferry.registry import connect
    from caseferry.transfers.journal import Journal
    from caseferry.transfers.outcome import Outcome, Report, TransferIncomplete
    from caseferry.transfers.run import transfer
    from caseferry.transfers.verify import verify

_HOMES = {
    "caseferry.annotation": (
        "Angle Annotation Box Category Code Ellipse Label Line Mask Numeric Point Polygon Polyline Raw Text Track"
    ),
    "caseferry.capability": "Capabilities Limits",
    "caseferry.case": "Attachment Case Image",
    "caseferry.connector": "Connector Dataset Item State",
    "caseferry.errors": (
        "AlreadyExists AuthenticationFailed Cancelled CaseferryError ConfigurationError GeometryError IdentifiableData "
        "Inexpressible IntegrityMismatch InvalidCase ItemsBlocked MissingCredentials MissingDependency NotFound "
        "PermissionDenied PlatformError ProcessingFailed RateLimited TemporaryFailure TransferError "
        "UnexpectedResponse UnmappedLabels UnsupportedOperation"
    ),
    "caseferry.files": "FileRef",
    "caseferry.geometry": "Geometry",
    "caseferry.held": "Held Loss",
    "caseferry.imaging.kinds": "Kind",
    "caseferry.plan": "Call Plan",
    "caseferry.registry": "connect",
    "caseferry.transfers.journal": "Journal",
    "caseferry.transfers.outcome": "Outcome Report TransferIncomplete",
    "caseferry.transfers.run": "transfer",
    "caseferry.transfers.verify": "verify",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AlreadyExists",
    "Angle",
    "Annotation",
    "Attachment",
    "AuthenticationFailed",
    "Box",
    "Call",
    "Cancelled",
    "Capabilities",
    "Case",
    "CaseferryError",
    "Category",
    "Code",
    "ConfigurationError",
    "Connector",
    "Dataset",
    "Ellipse",
    "FileRef",
    "Geometry",
    "GeometryError",
    "Held",
    "IdentifiableData",
    "Image",
    "Inexpressible",
    "IntegrityMismatch",
    "InvalidCase",
    "Item",
    "ItemsBlocked",
    "Journal",
    "Kind",
    "Label",
    "Limits",
    "Line",
    "Loss",
    "Mask",
    "MissingCredentials",
    "MissingDependency",
    "NotFound",
    "Numeric",
    "Outcome",
    "PermissionDenied",
    "Plan",
    "PlatformError",
    "Point",
    "Polygon",
    "Polyline",
    "ProcessingFailed",
    "RateLimited",
    "Raw",
    "Report",
    "State",
    "TemporaryFailure",
    "Text",
    "Track",
    "TransferError",
    "TransferIncomplete",
    "UnexpectedResponse",
    "UnmappedLabels",
    "UnsupportedOperation",
    "connect",
    "transfer",
    "verify",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        msg = f"module 'caseferry' has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
