"""What goes wrong on the way to a mailbox, and what of it matters."""

from __future__ import annotations

from services.mailbox.connection.errors import Code, MailServerError
from services.store import FolderChangedError, LeaseLostError


class ConnectionLostError(Exception):
    """The connection is gone, or was dropped after an error; a new one may work."""


class RefusedError(Exception):
    """The server answered NO or BAD to this command; the connection is still of use."""

    @property
    def nonexistent(self) -> bool:
        """Whether that is because there is no such folder (RFC 5530 section 3; Dovecot 2.3 says so in words only)."""
        said = str(self).casefold()
        return "[nonexistent]" in said or "mailbox doesn't exist" in said


class UidValidityChangedError(Exception):
    """The folder's uids are void: it is another one under the same name by now (RFC 3501 section 2.3.1.1)."""


class BlockedError(Exception):
    """Nothing works until the owner acts."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code


_ORDER = (
    LeaseLostError,
    BlockedError,
    UidValidityChangedError,
    FolderChangedError,
    ConnectionLostError,
    MailServerError,
)


def leaf(error: BaseException) -> Exception:
    """Return the error that matters out of a group: a lost lease before everything else."""
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
    """Whether the server bears no further connection of this mailbox."""
    return isinstance(error, MailServerError) and error.code is Code.TOO_MANY_CONNECTIONS
