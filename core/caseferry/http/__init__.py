"""Talking HTTP to a platform: one pooled session, retries by what a call does, no secret in any message.

A call that may be repeated harmlessly is repeated on every passing failure. One that may not is repeated only when
it certainly had no effect (no connection, 429); otherwise `TemporaryFailure` is raised and whoever made the call
looks at the platform first.
"""

from __future__ import annotations

from caseferry.http.client import Http, Signed
from caseferry.http.refusal import Explain, clean_text, refusal, retry_after, untrusted, words_of_page
from caseferry.http.repeating import ExpiredURL, Repeater, Retry

__all__ = [
    "ExpiredURL",
    "Explain",
    "Http",
    "Repeater",
    "Retry",
    "Signed",
    "clean_text",
    "refusal",
    "retry_after",
    "untrusted",
    "words_of_page",
]
