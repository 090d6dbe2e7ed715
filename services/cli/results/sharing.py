"""Who sees the mail of accounts, and whose addresses are whose, for programs."""

from __future__ import annotations

from schemas.accounts import AddressProof
from schemas.sharing import CompanyPolicy, SharingPolicy
from services.cli.results.base import Result
from services.store import AliasCandidate, Preview


class SharingResult(SharingPolicy):
    """The sharing policy of an account."""

    preview: Preview | None
    """What the change would do, with ``--dry-run``."""


class CompanySharing(CompanyPolicy):
    """The company's sharing policy."""

    preview: Preview | None
    """What the change would do, with ``--dry-run``."""


class AliasesResult(Result):
    """Other addresses of an account's owner."""

    aliases: tuple[str, ...]
    """Claimed addresses."""
    proofs: tuple[AddressProof, ...] = ()
    """Why addresses count as the account's own."""
    unproven: tuple[str, ...] = ()
    """Claimed addresses that nothing proves. They have no effect."""
    candidates: list[AliasCandidate]
    """Addresses that the owner may claim."""
