"""What became of connecting mailboxes, for programs."""

from __future__ import annotations

from services.cli.results.base import Result
from services.usecases.importing.table import ImportState


class ImportResult(Result):
    """What became of a row of a table of mailboxes."""

    line: int
    """As spreadsheets count: the names of the columns are line 1."""
    address: str
    """The mailbox, as typed."""
    owner: str
    """The user, or the members, as typed; the mailbox's address if the table names none."""
    state: ImportState
    """``ready`` in a dry run."""
    reason: str
    """Why it failed; empty otherwise."""


class RefusalResult(Result):
    """Why a mail server refused."""

    code: str
    """Stable code, such as ``wrong-password``."""
    sentence: str
    """What happened and what to do."""
    steps: tuple[str, ...]
    """The provider's instructions, step by step."""
    url: str
    """URL of the provider's instructions, or empty."""
    answer: str
    """What the server said."""


class LoginResult(Result):
    """Result of a login at both servers."""

    ok: bool
    """Whether both logins work."""
    incoming: RefusalResult | None
    """Null if the login works."""
    outgoing_checked: bool
    """False if there is no outgoing server."""
    outgoing: RefusalResult | None
    """Null if the login works."""
