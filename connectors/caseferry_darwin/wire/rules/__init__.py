"""What a registration must keep to, checked before anything is sent.

The platform answers 200 and leaves an item processing for ever, or shows annotations in the wrong place, where a
registration breaks these rules. They hold for any payload, made here or written by hand; all that is wrong with a
batch is found at once.

Source
------
V7's guides "Registering Items From External Storage" and "Connect into an external storage on S3". Where samples of
the guides themselves break a rule, it is a warning.
"""

from caseferry_darwin.wire.rules.items import check, chunks
from caseferry_darwin.wire.rules.known import Finding, Knowledge, Slot, Way, type_of

__all__ = ["Finding", "Knowledge", "Slot", "Way", "check", "chunks", "type_of"]
