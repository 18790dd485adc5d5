"""Everything that goes wrong on purpose.

The class says what happened; ``action`` says what a transfer does about it: ``stop`` the whole run, ``retry`` the
call, or ``skip`` this case and go on with the others.

::

    CaseferryError
      ConfigurationError (ValueError)      stop
        MissingCredentials
        MissingDependency
      InvalidCase (ValueError)             skip; before any request
        GeometryError
        Inexpressible
          UnmappedLabels                   stops a transfer
        IdentifiableData
      UnsupportedOperation                 skip; before any request
      PlatformError                        skip
        AuthenticationFailed               stop
        PermissionDenied
        NotFound
        AlreadyExists
        RateLimited                        retry
        TemporaryFailure                   retry
        ItemsBlocked
        ProcessingFailed
        UnexpectedResponse
      Cancelled                            stop
      TransferError                        skip
        IntegrityMismatch
        TransferIncomplete               with its report: caseferry.transfers.outcome

No message holds a token, the query of a signed URL, or the value of a patient attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Action = Literal["stop", "retry", "skip"]

__all__ = [
    "AlreadyExists",
    "AuthenticationFailed",
    "Cancelled",
    "CaseferryError",
    "ConfigurationError",
    "GeometryError",
    "IdentifiableData",
    "Inexpressible",
    "IntegrityMismatch",
    "InvalidCase",
    "ItemsBlocked",
    "MissingCredentials",
    "MissingDependency",
    "NotFound",
    "PermissionDenied",
    "PlatformError",
    "Problem",
    "ProcessingFailed",
    "RateLimited",
    "TemporaryFailure",
    "TransferError",
    "UnexpectedResponse",
    "UnmappedLabels",
    "UnsupportedOperation",
]


class CaseferryError(Exception):
    """The base of every error that caseferry raises on purpose."""

    action: ClassVar[Action] = "skip"

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, so that an error of a worker in another process arrives with all that it says."""
        return _restored, (type(self), self.args, vars(self))


def _restored(kind: type[CaseferryError], args: tuple[Any, ...], fields: dict[str, Any]) -> CaseferryError:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    return error


class ConfigurationError(CaseferryError, ValueError):
    """A setting, a URL or an argument cannot be used."""

    action: ClassVar[Action] = "stop"


class MissingCredentials(ConfigurationError):
    """A platform needs credentials and none were found.

    Parameters
    ----------
    platform : the platform that was asked for
    variables : the environment variables that would hold them
    """

    def __init__(self, platform: str, variables: Sequence[str]) -> None:
        names = " and ".join(variables)
        super().__init__(
            f"{platform}: no credentials found; set {names}, name a profile with --profile, or pass them to connect()"
        )
        self.platform = platform
        self.variables = tuple(variables)


class MissingDependency(ConfigurationError, ImportError):
    """An optional package is not installed.

    Parameters
    ----------
    extra : the extra of caseferry that brings it
    purpose : what it is needed for
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs an optional package: pip install 'caseferry[{extra}]'")
        self.extra = extra
        self.purpose = purpose


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a case.

    Attributes
    ----------
    where : the part of the case: a field, an image, a file
    what : what is wrong, with what was found and what was expected
    remedy : what to do about it
    """

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


class InvalidCase(CaseferryError, ValueError):
    """A case cannot be used as it is. Raised before anything is sent, with every problem listed.

    Parameters
    ----------
    case_id : which case; None for a part that belongs to none yet
    problems : all that is wrong with it
    """

    intro: ClassVar[str] = "cannot be used"

    def __init__(self, case_id: str | None, problems: Iterable[Problem]) -> None:
        self.case_id = case_id
        self.problems = tuple(problems)
        super().__init__(case_id, self.problems)

    def __str__(self) -> str:
        if self.case_id is None:
            return "\n".join(map(str, self.problems))
        head = f"case {self.case_id!r} {self.intro}"
        if len(self.problems) == 1:
            return f"{head}: {self.problems[0]}"
        return "\n  - ".join([f"{head}, {len(self.problems)} problems:", *map(str, self.problems)])


class GeometryError(InvalidCase):
    """Positions, sizes or directions do not make one grid."""

    intro: ClassVar[str] = "has no usable geometry"

    def __init__(self, where: str, what: str, remedy: str = "", case_id: str | None = None) -> None:
        super().__init__(case_id, [Problem(where, what, remedy)])


class Inexpressible(InvalidCase):
    """The platform cannot hold the case, not even beside its own kinds of data."""

    intro: ClassVar[str] = "cannot be put there"


class UnmappedLabels(Inexpressible):
    """Labels of the case have no name at the target, and nobody said what to do with such.

    What can be said: `caseferry.mapping.unmapped`.

    Parameters
    ----------
    makes : whether the platform makes any of the names when asked
    """

    intro: ClassVar[str] = "has labels that the target does not know"

    def __init__(self, case_id: str | None, problems: Iterable[Problem], *, makes: bool) -> None:
        super().__init__(case_id, problems)
        self.makes = makes

    def __str__(self) -> str:
        remedies = ["map them (caseferry mapping init SRC DST begins a mapping)"]
        remedies += ["have them made (--create-missing, unmapped='create')"] if self.makes else []
        remedies += ["keep what has them beside the case (--unmapped sidecar, unmapped='sidecar')"]
        return f"{super().__str__()}\n  {', or '.join(remedies)}"


class IdentifiableData(InvalidCase):
    """The case carries values that identify a patient, and nobody said that they may be sent.

    The problems name the attributes, never their values.
    """

    intro: ClassVar[str] = "identifies a patient and was not sent"


class UnsupportedOperation(CaseferryError):
    """The platform has no such operation. Raised before any request.

    Parameters
    ----------
    platform, operation : what was asked of whom
    instead : what to do instead, when there is something
    """

    def __init__(self, platform: str, operation: str, instead: str = "") -> None:
        super().__init__(f"{platform} cannot {operation}" + (f"; {instead}" if instead else ""))
        self.platform = platform
        self.operation = operation


class PlatformError(CaseferryError):
    """A platform answered with an error.

    Parameters
    ----------
    platform, operation : what was asked of whom
    detail : what the platform said, shortened and without secrets
    status : the HTTP status, when there was an answer
    request_id : the platform's own name for the request, when it gives one
    """

    def __init__(
        self,
        platform: str,
        operation: str,
        detail: str = "",
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        answered = f" answered {status}" if status is not None else ""
        traced = f" (request {request_id})" if request_id else ""
        super().__init__(f"{platform}: {operation}{answered}{': ' if detail else ''}{detail}{traced}")
        self.platform = platform
        self.operation = operation
        self.detail = detail
        self.status = status
        self.request_id = request_id


class AuthenticationFailed(PlatformError):
    """The platform does not accept the credentials."""

    action: ClassVar[Action] = "stop"


class PermissionDenied(PlatformError):
    """The credentials are good and do not allow this."""


class NotFound(PlatformError):
    """There is no such thing, or none that the credentials may see."""


class AlreadyExists(PlatformError):
    """The name is taken by something else."""


class RateLimited(PlatformError):
    """The platform asks to slow down.

    Attributes
    ----------
    retry_after : seconds to wait, when the platform said how many
    """

    action: ClassVar[Action] = "retry"
    retry_after: float | None = None


class TemporaryFailure(PlatformError):
    """The connection, or something between, failed. Whether the call took effect may be unknown.

    Attributes
    ----------
    retry_after : seconds to wait, when the answer said how many
    applied : False when the call certainly had no effect, None when nobody knows
    """

    action: ClassVar[Action] = "retry"
    retry_after: float | None = None
    applied: bool | None = None


class ItemsBlocked(PlatformError):
    """A platform took a request and refused some of its items. Partial success is never success.

    Attributes
    ----------
    accepted : names of the items that were taken
    blocked : name of each refused item to the reason given
    """

    def __init__(self, platform: str, operation: str, accepted: Sequence[str], blocked: dict[str, str]) -> None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in blocked.items())
        super().__init__(platform, operation, f"refused {len(blocked)} of {len(accepted) + len(blocked)}: {reasons}")
        self.accepted = tuple(accepted)
        self.blocked = dict(blocked)


class ProcessingFailed(PlatformError):
    """The platform took the data and could not process it.

    Attributes
    ----------
    state : the state in which the platform left the item
    """

    def __init__(self, platform: str, operation: str, detail: str = "", *, state: str = "failed") -> None:
        super().__init__(platform, operation, detail or f"ended as {state!r}")
        self.state = state


class UnexpectedResponse(PlatformError):
    """An answer that is not what the platform's interface promises."""


class Cancelled(CaseferryError):
    """The user asked to stop; what was under way can be resumed."""

    action = "stop"


class TransferError(CaseferryError):
    """A transfer could not do what it was asked."""


class IntegrityMismatch(TransferError):
    """What was read back is not what was sent.

    Parameters
    ----------
    case_id : which case
    differences : what differs, one line each
    """

    def __init__(self, case_id: str, differences: Sequence[str]) -> None:
        super().__init__(f"case {case_id!r} reads back differently: " + "; ".join(differences))
        self.case_id = case_id
        self.differences = tuple(differences)
