"""Ledger, dead letters, erasures and doctor for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.ledger import RowState
from services.cli.results.base import Result
from services.store import ErasureCounts
from services.usecases.dead_letters import CopyLocation
from services.usecases.key_rotation import KeyUse, WaitingAccount


class DeadLetterResult(Result):
    """A message that could not be processed."""

    id: str
    """Id for the other dead-letter commands."""
    queue: str
    """Queue in which it failed."""
    reason: str
    """Stable code."""
    error: str
    """Last error, without mail content."""
    content_type: str
    """Media type of the body."""
    account: str | None
    """Id of the account."""
    row: str | None
    """Id of the copy in the ledger."""
    at: datetime
    """When it failed for the last time."""


class DeadLetterDetails(DeadLetterResult):
    """A dead letter with its headers and its copy."""

    headers: dict[str, str]
    """Message headers."""
    octets: int
    """Size of the body."""
    copy_: CopyLocation | None = Field(alias="copy")
    """The copy that it is about."""


class FolderBalanceResult(Result):
    """The comparison of one folder with its mail server: server = rows + lost + unseen - stale."""

    folder: str
    """Name of the folder."""
    note: str | None
    """``new-folder``, ``no-folder``, ``new-uids``, ``refused``, ``contradicted`` or ``left-out``."""
    balanced: bool
    """Whether there is no gap and the folder could be compared."""
    server: int | None
    """Messages on the server; null if the folder cannot be opened."""
    messages: dict[RowState, int]
    """Number of rows by state."""
    rows: int
    """Sum of these rows."""
    unfinished: int
    """Rows without a final state."""
    lost: int
    """Messages that should have a row but have none."""
    stale: int
    """Rows of messages that are no longer on the server."""
    unseen: int
    """Messages that the poller has not seen yet."""
    lost_uids: str
    """The first 1,000 lost uids as an IMAP sequence set."""
    stale_uids: str
    """The first 1,000 stale uids as an IMAP sequence set."""


class AccountBalanceResult(Result):
    """The comparison of one account with its mail server."""

    account: str
    """Address of the mailbox."""
    id: str
    """Id of the account."""
    balanced: bool
    """Whether all its folders balance."""
    error: str | None
    """Why it could not be compared, and what to do."""
    folders: list[FolderBalanceResult]
    """Its folders."""


class LedgerCheck(Result):
    """The comparison of the ledger with the mail servers."""

    balanced: bool
    """Whether there is no gap and all accounts could be compared."""
    accounts: list[AccountBalanceResult]
    """The compared accounts."""


class Erasure(ErasureCounts, Result):
    """How much an erasure deletes."""

    erased: bool
    """False with ``--dry-run``."""


class DiagnosisCheck(Result):
    """One check of the doctor."""

    name: str
    """What was checked."""
    state: Literal["fine", "warning", "wrong", "unknown"]
    """``unknown`` if it could not be checked."""
    found: str
    """What was found."""
    advice: str
    """What to do, or empty."""


class Diagnosis(Result):
    """All checks of the doctor."""

    healthy: bool
    """Whether nothing is wrong; the exit code says the same."""
    checks: list[DiagnosisCheck]
    """The checks."""


class SecretsStatus(Result):
    """How far the current secret has replaced earlier ones."""

    finished: bool
    """Whether nothing needs another secret than LEADMAIL_SECRET_KEY."""
    keys: list[KeyUse]
    """All secrets, the current one first."""
    accounts: list[WaitingAccount]
    """Mailboxes with rows under an earlier secret."""
    outdated: list[str]
    """Running pollers and matchers that lack the current secret."""
    removable: list[str]
    """Earlier secrets that can be removed from LEADMAIL_SECRET_KEYS_OLD."""
    missing: list[str]
    """Secrets that are needed and in no setting."""
