"""Users of the CRM and the administrator's sharing policy."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from schemas.accounts import User
from schemas.addresses import normal_address, normal_address_or_none
from schemas.sharing import CompanyPolicy
from services.store.core.audit import OPERATOR, Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CONNECTED, Doc, decode, encode, now, plain
from services.store.core.errors import AlreadyExistsError, ChangedMeanwhileError, NotAllowedError, NotFoundError
from services.store.core.fence import MongoSession

_COMPANY = "company"
_CHANGED = "the company's policy was changed in the meantime, so nothing was saved: look at it and try again"


class Users:
    """Documents of ``users``."""

    def __init__(self, collections: Collections, colleagues: Colleagues, audit: Audit) -> None:
        self._users = collections.users
        self._accounts = collections.accounts
        self._colleagues = colleagues
        self._audit = audit

    async def add(
        self, email: str, *, name: str = "", admin: bool = False, external_id: str = "", by: str = OPERATOR
    ) -> User:
        """Add a user.

        Raises:
            InvalidAddressError: ``email`` is not an address.
            AlreadyExistsError: there is such a user already, or a shared mailbox: a team's address is no user's.
        """
        user = User(email=normal_address(email), name=name, admin=admin, external_id=external_id, created_at=now())

        async def write(session: MongoSession) -> None:
            team: Doc = {"address": user.email, "members.0": {"$exists": True}, "state": CONNECTED}
            if await self._accounts.find_one(team, {"_id": 1}, session=session) is not None:
                raise AlreadyExistsError(f"{user.email} is a shared mailbox: add its members as users")
            await self._users.insert_one(encode(user), session=session)
            await self._audit.add("user.add", by=by, subject=f"user:{user.email}", session=session, admin=admin)

        try:
            async with self._colleagues.changing([user.email]):
                await self._audit.transaction(write)
        except DuplicateKeyError:
            raise AlreadyExistsError(f"there is a user {user.email} already") from None
        return user

    async def set_admin(self, email: str, *, admin: bool, by: str) -> User:
        """Grant or revoke administrator rights.

        Raises:
            NotFoundError: there is no such user.
        """
        before = await self.get(email)

        async def write(session: MongoSession) -> None:
            await self.turn_admin(before.email, admin=admin, by=by, session=session)

        if before.admin is not admin:
            await self._audit.transaction(write)
        return before.model_copy(update={"admin": admin})

    async def turn_admin(self, email: str, *, admin: bool, by: str, session: MongoSession) -> None:
        """Grant rights to a user who has none, or revoke those of an administrator, in the caller's transaction."""
        await self._users.update_one({"_id": email}, {"$set": {"admin": admin}}, session=session)
        change = {"before": not admin, "after": admin}
        await self._audit.add("user.admin", by=by, subject=f"user:{email}", session=session, **change)

    async def set_profile(self, email: str, *, name: str | None, external_id: str | None, by: str) -> User:
        """Change how a user is called, and their id at the identity provider; None leaves it as it is.

        Raises:
            NotFoundError: there is no such user.
        """
        before = await self.get(email)
        wanted = {"name": name, "external_id": external_id}
        change = {key: value for key, value in wanted.items() if value is not None and value != getattr(before, key)}

        async def write(session: MongoSession) -> None:
            await self._users.update_one({"_id": before.email}, {"$set": change}, session=session)
            await self._audit.add("user.change", by=by, subject=f"user:{before.email}", session=session, **change)

        if change:
            await self._audit.transaction(write)
        return before.model_copy(update=change)

    async def get(self, email: str) -> User:
        """Return a user.

        Raises:
            NotFoundError: there is no user with this address.
        """
        document = await self._users.find_one({"_id": normal_address_or_none(email) or email})
        if document is None:
            raise NotFoundError(f"there is no user {email}: add one with `leadmail user add {email}`")
        return decode(User, document)

    async def active(self, email: str) -> User:
        """Return a user who may use Leadmail.

        Raises:
            NotFoundError: there is no such user, or the user is disabled.
        """
        user = await self.get(email)
        if user.disabled:
            raise NotFoundError(f"the user {user.email} is disabled: `leadmail user enable {user.email}` changes that")
        return user

    async def administrator(self, email: str) -> User:
        """Return an administrator.

        Raises:
            NotFoundError: there is no such user, or the user is disabled.
            NotAllowedError: the user is not an administrator.
        """
        user = await self.active(email)
        if not user.admin:
            raise NotAllowedError(f"{user.email} is not an administrator: only administrators can do this")
        return user

    async def another_administrator(self, email: str, *, session: MongoSession | None = None) -> bool:
        """Whether an administrator who is not disabled is left besides a user: only then may this one cease to be one."""
        others: Doc = {"_id": {"$ne": email}, "admin": True, "disabled": {"$ne": True}}
        return await self._users.find_one(others, {"_id": 1}, session=session) is not None

    async def get_all(self) -> list[User]:
        """Return all users, sorted by address."""
        return [decode(User, document) async for document in self._users.find().sort("_id")]


class Company:
    """The administrator's policy: one document."""

    def __init__(self, collections: Collections, colleagues: Colleagues) -> None:
        self._settings = collections.settings
        self._colleagues = colleagues

    async def policy(self) -> CompanyPolicy:
        """Return the current policy, or the default if none is set."""
        document = await self._settings.find_one({"_id": _COMPANY})
        found = document or {}
        return CompanyPolicy.model_validate({**found.get("policy", {}), "senders": found.get("senders", ())})

    async def note_sender(self, address: str) -> None:
        """Note that Leadmail sends its own mail from an address, for good: old mail stays. Mail that names it is linked again."""
        if address not in (await self.policy()).senders:
            async with self._colleagues.changing([address]):
                await self._settings.update_one({"_id": _COMPANY}, {"$addToSet": {"senders": address}}, upsert=True)

    async def save(self, policy: CompanyPolicy, session: MongoSession | None = None) -> CompanyPolicy:
        """Store the policy, but not its ``senders``, under its next version and return it. Links do not follow it yet (``to_follow``).

        ``store.sharing.set_company`` also updates the links.

        Raises:
            ChangedMeanwhileError: ``policy`` is not based on the current version.
        """
        stored = policy.replaced(version=policy.version + 1)
        first = policy.version == 0
        # A policy that was never changed, or was stored by a release without versions, has no version.
        query: Doc = {"_id": _COMPANY, "policy.version": {"$in": [0, None]} if first else policy.version}
        change: Doc = {"policy": plain(stored), "follow": stored.version}
        try:
            result = await self._settings.update_one(query, {"$set": change}, upsert=first, session=session)
        except DuplicateKeyError:
            raise ChangedMeanwhileError(_CHANGED) from None
        if not result.matched_count and result.upserted_id is None:
            raise ChangedMeanwhileError(_CHANGED)
        return stored

    async def to_follow(self) -> int | None:
        """Return the version of the policy if the accounts are not marked yet for their links to follow it."""
        found = await self._settings.find_one({"_id": _COMPANY}, {"follow": 1})
        return found.get("follow") if found else None

    async def followed(self, version: int) -> None:
        """Note that the accounts are marked for a version. A newer one stays to be followed."""
        await self._settings.update_one({"_id": _COMPANY, "follow": version}, {"$unset": {"follow": ""}})
