"""What can go wrong on a logged-in connection."""

from __future__ import annotations

from schemas.errors import LeadmailError


class ConnectionLostError(LeadmailError):
    """The connection is gone, or was dropped after an error. A new one may work."""


class RefusedError(LeadmailError):
    """The server answered NO or BAD to this command. The connection is still usable."""

    @property
    def nonexistent(self) -> bool:
        """Whether the folder does not exist (RFC 5530 section 3; Dovecot 2.3 says so in words only)."""
        text = str(self).casefold()
        return "[nonexistent]" in text or "mailbox doesn't exist" in text


class UidValidityChangedError(LeadmailError):
    """The known uids are void: another folder has the same name by now (RFC 3501 section 2.3.1.1)."""
