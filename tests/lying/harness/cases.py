"""A case of the suite: what a server does, and what is right then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from schemas.accounts import Tls
from testbed.servers.scripted import Dialect, ImapFault, ScriptedMailbox
from testbed.servers.scripted.dialects import FULL

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Faults: TypeAlias = Callable[[], Sequence[ImapFault]]
"""Makes the faults of one run."""


def codes(*names: str) -> frozenset[str]:
    """Return the codes of trouble of which one is shown. A loaded machine may lose the line before the server's lie is seen."""
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Case:
    """A mailbox on a server of its own, and what its rows and its account have to be in the end.

    The server lies from the first connection on, or (``live``) once the backfill is complete and in step. By itself it stops
    (``times`` and ``seconds`` of its faults), or it goes on until one of ``held`` is shown, and is healed then; with neither
    it never stops, and the rest is synchronised in spite of it. In the end the ledger has what the mailbox has, except ``lost``.
    """

    name: str
    faults: Faults = field(default=list)
    """On the mailbox, from the login on."""
    login_faults: Faults = field(default=list)
    """On the listener, from the connection on."""
    dialect: Dialect = FULL
    live: bool = False
    held: frozenset[str] = frozenset()
    """Codes of trouble, of which one is shown."""
    blocked: str | None = None
    """The reason with which the account is blocked in the end."""
    lost: Mapping[int, str] = field(default_factory=dict)
    """By uid in INBOX, the reason with which a mail is skipped."""
    partial: bool = False
    """Whether the server delivers a mail in part only, which is taken then."""
    prepare: Callable[[ScriptedMailbox], None] | None = None
    """Fills the mailbox beside the usual mail."""
    then: Callable[[ScriptedMailbox], None] | None = None
    """What happens in the mailbox while a live server lies; by default new mail comes."""
    tour: Sequence[Callable[[ScriptedMailbox], frozenset[bytes] | None]] = ()
    """Steps in the mailbox after which it is in step; each may say which folders are synchronised from then on."""
    folders: frozenset[bytes] = frozenset({b"INBOX", b"Sent"})
    """Raw names of those that are synchronised."""
    mails: int = 12
    account: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the account."""
    tls: Tls = "none"
    certificate: str = "good"
    """The one that the server has at first; ``good`` once it is healed."""
    first: Handler | Literal["server"] | None = "server"
    """What answers connections at first, instead of the server; None for nothing."""
