"""The errors of Leadmail: one root, and the vocabulary in which handlers fail.

A handler raises ``TransientError`` or ``PermanentError``. Anything else that it raises is a bug: it is logged as an error, and the
message is retried within its route's budget.
"""

from __future__ import annotations


class LeadmailError(Exception):
    """The root of every error that Leadmail raises on purpose. Its text is for the log or a user, and never quotes mail."""


class TransientError(LeadmailError):
    """The work may succeed later: the message is retried by its route's plan."""


class PermanentError(LeadmailError):
    """The work will never succeed: the message goes to the dead letters at once."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """Take a stable code such as ``parser-died`` and, for the log, a detail without mail content."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class UndecodableError(PermanentError):
    """A message is not what its queue promises."""

    def __init__(self, detail: str) -> None:
        super().__init__("undecodable", detail)


class UnroutableError(LeadmailError):
    """No queue takes this message: the broker's topology is not the one of ``schemas.routes``."""


class BusClosedError(LeadmailError):
    """The bus was closed before or during this call. A message that was being published may have arrived."""


class TopologyError(LeadmailError):
    """An exchange or a queue exists with properties other than ours; the text says what to do."""


class LayoutError(LeadmailError):
    """An index of the database exists with properties other than ours; the text says what to do."""


class NotReadyError(LeadmailError):
    """The broker or the database did not answer in time."""
