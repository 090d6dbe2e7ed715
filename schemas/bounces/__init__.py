"""Whether a mail is a bounce, and whom it is about, as the poller and the parser both decide it.

- ``rule``: what the header, the notification and the words of a mail make of it
- ``status``: delivery status notifications (RFC 3464)
- ``prose``: the forms that bounces had before, and what programs write beside the notification
"""

from schemas.bounces.prose import lost_addresses, reason_in_words, returned_id, transcript
from schemas.bounces.rule import (
    MOST,
    RETURNED,
    BounceHeader,
    BounceRecipients,
    find_failures,
    is_title,
    names_recipients,
)
from schemas.bounces.status import MEDIA_TYPES, READ, code_of

__all__ = [
    "MEDIA_TYPES",
    "MOST",
    "READ",
    "RETURNED",
    "BounceHeader",
    "BounceRecipients",
    "code_of",
    "find_failures",
    "is_title",
    "lost_addresses",
    "names_recipients",
    "reason_in_words",
    "returned_id",
    "transcript",
]
