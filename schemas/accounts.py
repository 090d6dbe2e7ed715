"""Users and connected mailboxes: documents of ``users`` and ``accounts``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import AccountId, Contract, FolderId, Utc
from schemas.identity import is_team
from schemas.sharing import LiveCopy, SharingPolicy

Tls = Literal["tls", "starttls", "none"]


class User(Contract):
    """A user of the CRM. Document id: ``email`` in normal form."""

    email: str
    """The user's address in normal form, by which the user signs in."""
    name: str = ""
    """Display name."""
    admin: bool = False
    """Whether the user is an administrator."""
    disabled: bool = False
    """Sees nothing and cannot sign in; their mailboxes are paused."""
    external_id: str = ""
    """The user's id at the company's identity provider, if that manages them."""
    identity: str = ""
    """Issuer and subject of the account by which the user signs in at the company's identity provider; empty before the first time."""
    created_at: Utc
    """When the user was added."""


class ServerAddress(Contract):
    """A mail server, as the user or the provider directory names it."""

    host: str
    """Host name or IP address."""
    port: int = Field(ge=1, le=65535)
    """TCP port."""
    tls: Tls
    """``tls`` from the first byte, ``starttls``, or ``none`` (needs the operator's permission)."""
    username: str
    """The login name."""


class SealedCredentials(Contract):
    """Credentials under envelope encryption: a data key of the account's own, wrapped by the deployment's key ``key_id``."""

    key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes


class KeptToken(Contract):
    """A sealed token that several processes use, and when one of them has to refresh it."""

    credentials: SealedCredentials
    refresh_at: Utc | None
    """None if the server does not say when it expires."""


class AccountState(StrEnum):
    """Whether the mail of an account is synchronised at the moment."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By its owner."""
    BLOCKED = "blocked"
    """It cannot log in; its owner was notified."""
    DISCONNECTED = "disconnected"
    """Removed with its copies kept and its policy frozen."""


Phase = Literal["connect", "folders", "backfill", "live", "compare"]
"""A part of the work on an account: log in, list folders, import, follow new mail, compare with the server."""


class Trouble(Contract):
    """Why the work on an account cannot go on at the moment. It is tried again without anyone acting."""

    code: str
    """Stable word, e.g. ``unavailable``, ``throttled``, ``empty-folder-contradicted``."""
    phase: Phase
    folder: FolderId | None = None
    """The folder that it is about."""
    since: Utc
    """When it started."""
    next_try: Utc | None = None
    """When the poller tries again."""
    detail: str = Field(default="", max_length=300)
    """What happened: our words and the server's cleaned answer. No mail, no secrets."""
    owner_told: bool = False
    """Whether the owner was notified."""


class FolderRules(Contract):
    """Which folders are synchronised, where that differs from the rule (all of the user's own but Trash, Spam and unsent mail)."""

    include: tuple[str, ...] = ()
    """Folder names as shown to users."""
    exclude: tuple[str, ...] = ()
    """Folder names as shown to users."""


class Lease(Contract):
    """The right to work on an account. ``token`` grows with every holder; every write of a holder carries it."""

    account: AccountId
    holder: str
    token: int


class ProofKind(StrEnum):
    """How an address of an account was proven, strongest first."""

    SIGN_IN = "sign-in"
    """The login name is the address, at a server that discovery finds for its domain."""
    OAUTH = "oauth"
    """The mail service's own sign-in named the address."""
    CODE = "code"
    """A code that Leadmail sent to the address was entered."""
    ADMINISTRATOR = "administrator"
    USER = "user"
    """It was the user address of the account's owner when another user took the account over."""
    EARLIER = "earlier"
    """It counted before proofs existed, or before the mailbox got another login, which does not prove it.

    It stays until someone proves it, because mail of a colleague would open otherwise."""

    def outranks(self, other: ProofKind) -> bool:
        """Whether this proof takes an address from an account that holds it by another proof."""
        return _RANKS[self] > _RANKS[other]


_RANKS = {
    ProofKind.SIGN_IN: 3,
    ProofKind.OAUTH: 3,
    ProofKind.CODE: 2,
    ProofKind.ADMINISTRATOR: 1,
    ProofKind.USER: 1,
    ProofKind.EARLIER: 0,
}


class AddressProof(Contract):
    """Why an address counts as an account's own."""

    address: str
    how: ProofKind
    by: str
    """The user, or the operator."""
    at: Utc


def proven_addresses(owner: str, claimed: Iterable[str], proven: Iterable[str]) -> frozenset[str]:
    """Return which addresses that an account claims are its own: proven ones, and the address that names its owner in the CRM."""
    return frozenset(claimed) & {owner, *proven}


APP_ONLY = "app-only:"
"""How the ``grant`` of a mailbox begins that Leadmail opens in its own name."""


class Account(Contract):
    """One connected mailbox."""

    id: AccountId
    owner: str
    """The user's e-mail address, or the team of a shared mailbox (``schemas.identity``). Each member counts as the holder."""
    members: tuple[str, ...] = ()
    """The users whose mailbox it is, if it is a shared one; sorted."""
    address: str
    aliases: tuple[str, ...] = ()
    """Further addresses that the owner claims. One counts only when it is proven."""
    proofs: tuple[AddressProof, ...] = ()
    """At most one per address. Two connected accounts never prove the same address."""
    provider: str | None = None
    """Key in the provider directory."""
    incoming: ServerAddress
    outgoing: ServerAddress | None = None
    credentials: SealedCredentials
    grant: str = ""
    """Names the OAuth2 sign-in that gave the tokens. Refreshed tokens keep it. Empty for a password. See ``app_only``."""
    refresh_at: Utc | None = None
    """When the tokens have to be refreshed."""
    sharing: SharingPolicy
    folders: FolderRules = FolderRules()
    state: AccountState = AccountState.ACTIVE
    reason: str | None = None
    """Stable code of why it is blocked, e.g. ``wrong-password``."""
    trouble: Trouble | None = None
    """Why an active account cannot go on; None if all is well."""
    retry_at: Utc | None = None
    """When the login of a blocked account is tried again; None for soon."""
    incident: int = 0
    """How many times it has become blocked."""
    attention_sent: int = 0
    """The last incident that its owner was notified of."""
    epoch: int = 0
    """Its newest backfill; 0 before the first."""
    resync_requested: bool = True
    """The poller opens a new epoch when it sees this."""
    created_at: Utc

    @property
    def shared(self) -> bool:
        """Whether it belongs to a team."""
        return is_team(self.owner)

    @property
    def holders(self) -> tuple[str, ...]:
        """The users whose mailbox it is."""
        return self.members if self.shared else (self.owner,)

    @property
    def holder_name(self) -> str:
        """How others are told of whom they get its mail: the owner's address, or the shared mailbox's own."""
        return self.address if self.shared else self.owner

    @property
    def app_only(self) -> bool:
        """Whether Leadmail opens the mailbox in its own name: nobody signed in to it."""
        return self.grant.startswith(APP_ONLY)

    @property
    def own_addresses(self) -> frozenset[str]:
        """The account's own addresses: the proven ones. Nothing follows from an unproven claim."""
        return proven_addresses(self.owner, self.claims, (proof.address for proof in self.proofs))

    @property
    def claims(self) -> frozenset[str]:
        """Every address that the account names as its own, proven or not."""
        return frozenset((self.address, *self.aliases))

    @property
    def unproven(self) -> tuple[str, ...]:
        """The claims that nothing proves yet."""
        return tuple(sorted(self.claims - self.own_addresses))

    def proof_of(self, address: str) -> ProofKind | None:
        """Return the strongest reason why an address is this account's own; None if it is not."""
        found = [proof.how for proof in self.proofs if proof.address == address]
        found += [ProofKind.USER] if address == self.owner else []
        return max(found, key=_RANKS.__getitem__, default=None) if address in self.claims else None

    def live_copy(self, bcc: tuple[str, ...] = (), *, withdrawn: bool = False) -> LiveCopy:
        """Return a live copy in this account as the sharing rule needs it."""
        return LiveCopy(
            account=self.id,
            owner=self.owner,
            policy=self.sharing,
            own_addresses=tuple(sorted(self.own_addresses)),
            bcc=bcc,
            withdrawn=withdrawn,
        )
