"""A local stand-in of grand-challenge.org, which the official client accepts unmodified.

It is written from what a running server does, and shares no code with the connector that it judges.
"""

from caseferry_grand_challenge.sandbox.accounts import (
    OUTSIDER,
    OUTSIDER_TOKEN,
    UPLOADER,
    UPLOADER_TOKEN,
    VIEWER,
    VIEWER_TOKEN,
)
from caseferry_grand_challenge.sandbox.standin import GrandChallengeStandIn

__all__ = [
    "OUTSIDER",
    "OUTSIDER_TOKEN",
    "UPLOADER",
    "UPLOADER_TOKEN",
    "VIEWER",
    "VIEWER_TOKEN",
    "GrandChallengeStandIn",
]
