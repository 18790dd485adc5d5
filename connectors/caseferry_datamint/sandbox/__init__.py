"""A stand-in of Datamint that the platform's own clients accept.

It knows the calls of the clients from 1.3 to 2.45 except those that MLflow, deployment, inference and validation
studies need. `DatamintStandIn` has switches for what differs between servers; see `desk.Desk`.
"""

from caseferry_datamint.sandbox.standin import (
    ADMIN,
    ADMIN_KEY,
    GUEST,
    MEMBER,
    MEMBER_KEY,
    POWERLESS_KEY,
    PROJECT,
    DatamintStandIn,
)

__all__ = ["ADMIN", "ADMIN_KEY", "GUEST", "MEMBER", "MEMBER_KEY", "POWERLESS_KEY", "PROJECT", "DatamintStandIn"]
