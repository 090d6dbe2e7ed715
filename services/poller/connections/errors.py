"""Which of an account's errors decides what happens next."""

from __future__ import annotations

from schemas.errors import LeadmailError
from services.mailbox.connection import Code, MailServerError
from services.mailbox.imap import ConnectionLostError, ContradictionError, RefusedError, UidValidityChangedError
from services.store import FolderChangedError, LeaseLostError


class BlockedError(LeadmailError):
    """The account cannot be used until its owner acts."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code


class BudgetSpentError(LeadmailError):
    """A budget is spent. The work goes on by itself in ``seconds``."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"the mail service's budget of {what} is spent for now")
        self.seconds = seconds


_ORDER = (
    LeaseLostError,
    BlockedError,
    UidValidityChangedError,
    FolderChangedError,
    BudgetSpentError,
    ContradictionError,
    RefusedError,
    ConnectionLostError,  # also what a task gets whose neighbour failed
    MailServerError,
)


def deciding_error(error: BaseException) -> Exception:
    """Return the most important error of a group: a lost lease before everything else."""
    leaves: list[Exception] = []
    stack = [error]
    while stack:
        top = stack.pop()
        if isinstance(top, BaseExceptionGroup):
            stack.extend(top.exceptions)
        elif isinstance(top, Exception):
            leaves.append(top)
        else:
            raise top
    return min(leaves, key=lambda one: next((n for n, kind in enumerate(_ORDER) if isinstance(one, kind)), len(_ORDER)))


def is_connection_limit(error: BaseException) -> bool:
    """Whether the server allows no further connection to this mailbox."""
    return isinstance(error, MailServerError) and error.code is Code.TOO_MANY_CONNECTIONS
