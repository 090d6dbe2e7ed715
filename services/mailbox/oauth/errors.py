"""Why an identity server gave no tokens."""

from __future__ import annotations

from typing import Final

from schemas.errors import LeadmailError

UNAVAILABLE: Final = "unavailable"
THROTTLED: Final = "throttled"
TIMED_OUT: Final = "timed-out"
UNREADABLE: Final = "unreadable-answer"
TRANSIENT_ERRORS: Final = frozenset(
    {
        UNAVAILABLE,
        THROTTLED,
        TIMED_OUT,
        UNREADABLE,
        "temporarily_unavailable",
        "server_error",
    }
)


class IdentityServerError(LeadmailError):
    """An identity server refused, or could not be asked. ``str()`` is for logs: it contains no token and no secret."""

    def __init__(self, error: str, description: str = "", *, pause: float = 0.0) -> None:
        """``error`` is a code of RFC 6749 section 5.2, or one of ours; ``pause`` the seconds that the server asks to wait."""
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error
        self.description = description
        self.pause = pause

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later without anyone acting."""
        return self.error in TRANSIENT_ERRORS
