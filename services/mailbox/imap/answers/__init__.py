"""Turn the answers of IMAP servers, in imaplib's form, into values. Pure, bounded, and tolerant of dialects.

- ``fetch``: messages
- ``folders``: folders, their status, and whose they are
- ``numbers``: uids and other numbers, within their ranges
- ``structure``: the parts of a message
- ``tokens``: imaplib's raw answers as nested lists
"""

from services.mailbox.imap.answers.fetch import Fetched, fetched, internal_date
from services.mailbox.imap.answers.folders import (
    UNREADABLE_LINE,
    Listed,
    Namespace,
    canonical,
    in_namespaces,
    listed,
    namespaces,
    statuses,
)
from services.mailbox.imap.answers.numbers import (
    MAX_UID,
    AnswerError,
    UidRanges,
    asked_ranges,
    number,
    searched,
    uid,
    uid_ranges,
    uid_set,
)
from services.mailbox.imap.answers.structure import BodyPart
from services.mailbox.imap.answers.tokens import responses

__all__ = [
    "MAX_UID",
    "UNREADABLE_LINE",
    "AnswerError",
    "BodyPart",
    "Fetched",
    "Listed",
    "Namespace",
    "UidRanges",
    "asked_ranges",
    "canonical",
    "fetched",
    "in_namespaces",
    "internal_date",
    "listed",
    "namespaces",
    "number",
    "responses",
    "searched",
    "statuses",
    "uid",
    "uid_ranges",
    "uid_set",
]
