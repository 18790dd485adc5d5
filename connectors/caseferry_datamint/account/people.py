"""The people of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.errors import PlatformError
from caseferry_datamint.account.section import Section
from caseferry_datamint.errors import PLATFORM
from caseferry_datamint.wire.answers import NAMES
from caseferry_datamint.wire.entities import User

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class People(Section):
    """Users."""

    def users(self) -> list[User]:
        """All users."""
        return [User.read(row) for row in self._client.rows("users", known_by=NAMES)]

    def create_user(
        self,
        email: str,
        password: str | None = None,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        roles: Sequence[str] = (),
    ) -> User:
        """Make a user; needs an administrator's key.

        Raises
        ------
        AlreadyExists
            There is a user of that address.
        PermissionDenied
            The key is no administrator's.
        """
        body = {
            "email": email,
            "password": password,
            "firstname": first_name,
            "lastname": last_name,
            "roles": list(roles),
        }

        def there() -> Mapping[str, Any] | None:
            return next((each.native for each in self.users() if each.email == email), None)

        try:
            return User.read(self._created("users", body, "create a user", there, ("email",)))
        except PlatformError as error:
            if not password or password not in str(error):
                raise
            refused = type(error)(PLATFORM, "create a user", "what it said holds the password", status=error.status)
        raise refused  # outside, where the error that holds the password is no context of it
