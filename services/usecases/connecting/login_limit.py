"""The limit of login attempts at mail servers, so that no user guesses passwords or scans for servers."""

from __future__ import annotations

from datetime import timedelta

from schemas.errors import LeadmailError
from services.store import Store

MOST, WITHIN = 40, timedelta(minutes=15)
"""At most so many attempts by one user within this time."""


class TooManyAttemptsError(LeadmailError):
    """The user has to wait; the text says how long."""


async def count_login_attempt(user: str, store: Store) -> None:
    """Count an attempt.

    Raises:
        TooManyAttemptsError: there were too many.
    """
    if not await store.sign_ins.attempt(_of(user), most=MOST, within=WITHIN):
        raise TooManyAttemptsError("too many attempts: try again in 15 minutes")


async def forget_login_attempt(user: str, store: Store) -> None:
    """Do not count an attempt that worked, where one user tries the logins of many mailboxes."""
    await store.sign_ins.take_back_attempt(_of(user), within=WITHIN)


def _of(user: str) -> str:
    return f"login/{user}"
