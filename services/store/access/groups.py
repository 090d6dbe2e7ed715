"""Groups that a company's identity provider manages (SCIM). The members of one that the operator names are administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from schemas.base import Contract
from services.store.access.users import Users
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, plain
from services.store.core.errors import AlreadyExistsError, NotFoundError
from services.store.core.fence import MongoSession


class ProvisionedGroup(Contract):
    """A group of the identity provider. Names are unique, whatever their case."""

    id: str
    name: str
    external_id: str = ""
    members: tuple[str, ...] = ()
    """Addresses of users, sorted."""
    created_at: datetime


class Groups:
    """Documents of ``groups``. Each change of the administrators' group also changes its members' rights, in one transaction."""

    def __init__(self, collections: Collections, users: Users, audit: Audit) -> None:
        self._groups = collections.groups
        self._members = collections.users
        self._users = users
        self._audit = audit

    async def get(self, identifier: str) -> ProvisionedGroup:
        """Return a group.

        Raises:
            NotFoundError: there is no such group.
        """
        return _decode(await self._groups.find_one({"_id": identifier}))

    async def get_all(self) -> list[ProvisionedGroup]:
        """Return all groups, sorted by name."""
        return [_decode(document) async for document in self._groups.find().sort("key")]

    async def add(self, group: ProvisionedGroup, *, administrators: str, by: str) -> None:
        """Add a group. ``administrators`` is the name of the administrators' group.

        Raises:
            AlreadyExistsError: there is a group with this name.
        """

        async def write(session: MongoSession) -> None:
            await self._save(None, group, administrators, by=by, session=session)

        await self._unique(write, group.name)

    async def change(
        self,
        identifier: str,
        change: Callable[[ProvisionedGroup], ProvisionedGroup],
        *,
        administrators: str,
        by: str,
    ) -> ProvisionedGroup:
        """Change a group and return it. Concurrent changes of one group follow one another.

        Raises:
            NotFoundError: there is no such group.
            AlreadyExistsError: another group has its new name.
        """
        after: list[ProvisionedGroup] = []

        async def write(session: MongoSession) -> None:
            before = _decode(await self._groups.find_one({"_id": identifier}, session=session))
            after[:] = [change(before)]
            await self._save(before, after[0], administrators, by=by, session=session)

        await self._unique(write, "of this name")
        return after[0]

    async def remove(self, identifier: str, *, administrators: str, by: str) -> None:
        """Remove a group.

        Raises:
            NotFoundError: there is no such group.
        """

        async def write(session: MongoSession) -> None:
            before = _decode(await self._groups.find_one({"_id": identifier}, session=session))
            await self._save(before, None, administrators, by=by, session=session)

        await self._audit.transaction(write)

    async def _unique(self, write: Callable[[MongoSession], Awaitable[None]], name: str) -> None:
        try:
            await self._audit.transaction(write)
        except DuplicateKeyError:
            raise AlreadyExistsError(f"there is a group {name} already") from None

    async def _save(
        self,
        before: ProvisionedGroup | None,
        after: ProvisionedGroup | None,
        administrators: str,
        *,
        by: str,
        session: MongoSession,
    ) -> None:
        group = after or before
        assert group is not None
        if before != after:
            if after is None:
                await self._groups.delete_one({"_id": group.id}, session=session)
            else:
                document: Doc = plain(after)
                document = {"_id": document.pop("id"), **document, "key": after.name.casefold()}
                await self._groups.replace_one({"_id": group.id}, document, upsert=before is None, session=session)
            was, members = (set(one.members if one else ()) for one in (before, after))
            details = {"name": group.name, "added": sorted(members - was), "removed": sorted(was - members)}
            await self._audit.add("scim.group", by=by, subject=f"group:{group.id}", session=session, **details)
        had, has = (_ruling(one, administrators) for one in (before, after))
        # All members, not only new ones: the operator may have named this group after they joined it.
        for admin, users in ((False, had - has), (True, has)):
            await self._set_admin(users, admin=admin, by=by, session=session)

    async def _set_admin(self, users: set[str], *, admin: bool, by: str, session: MongoSession) -> None:
        query: Doc = {"_id": {"$in": sorted(users)}, "admin": not admin}
        for user in [one["_id"] async for one in self._members.find(query, {"_id": 1}, session=session)]:
            if not admin and not await self._users.another_administrator(user, session=session):
                continue  # the last administrator stays one: nobody else could let anybody in again
            await self._users.turn_admin(user, admin=admin, by=by, session=session)


def _ruling(group: ProvisionedGroup | None, administrators: str) -> set[str]:
    """Return the members if it is the administrators' group."""
    named = group is not None and bool(administrators) and group.name.casefold() == administrators.casefold()
    return set(group.members) if group is not None and named else set()


def _decode(document: Doc | None) -> ProvisionedGroup:
    if document is None:
        raise NotFoundError("there is no such group")
    return ProvisionedGroup.model_validate({**document, "id": document["_id"]})
