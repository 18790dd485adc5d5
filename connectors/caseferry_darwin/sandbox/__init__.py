"""A local V7 Darwin, which darwin-py accepts unchanged."""

from caseferry_darwin.sandbox.standin import API_KEY, TEAM, DarwinStandIn

__all__ = ["API_KEY", "TEAM", "DarwinStandIn"]
