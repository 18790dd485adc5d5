"""Grand Challenge: archives, their items and sockets, through gcapi."""

from caseferry_grand_challenge.connector import GrandChallengeConnector

__all__ = ["GrandChallengeConnector"]
