"""No death loses an entry of the audit log: it is written with the change, or before the first step of a change of many steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from schemas.accounts import Account, AccountState, FolderRules, ProofKind
from schemas.records import RecordRef
from schemas.sharing import Mode, SharingPolicy
from services.store import DeadLetter, NewRecord, ProvisionedGroup, RecordEdit, Store, StoreConfig
from services.store.core.audit import Audit
from services.store.core.documents import now
from services.store.core.fence import Fence, MongoSession
from services.usecases import dead_letters
from tests.contract.test_audit import actions
from tests.factories import SEALED, account
from tests.store.fixtures import World, content

BOB, ROOT = "bob@corp.com", "root@corp.com"
HOUR = timedelta(hours=1)
READS = {"explain", "privacy.export"}
"""Nothing changes: the entry comes before the answer."""
STEPS = {"dead-letter.drop", "dead-letter.replay", "privacy.erase"}
"""The entry comes first."""


class DiedError(Exception):
    """A process died before its transaction was committed."""


class Office(NamedTuple):
    """Ann, whose mailbox has a mail from a contact, and her second mailbox, beside Bob and an administrator."""

    world: World
    store: Store
    ann: Account
    sales: Account
    kim: str
    mail: str


async def office_of(world: World, number: int) -> Office:
    """Return the company before one action, with people of its own."""
    ann, kim = await world.account(f"ann{number}@corp.com"), f"kim{number}@x.com"
    sales = await world.account(f"sales{number}@corp.com", owner=ann.owner, proofs=())
    await world.record(kim)
    mail = content(f"m{number}", kim, ann.address)
    await world.attach(ann, mail)
    return Office(world, world.store, ann, sales, kim, mail.key)


async def _bind(office: Office) -> None:
    """Bind a user to an account of the identity provider."""
    await office.store.identities.bind(await office.store.users.get(BOB), "https://id.example 1", by=ROOT)


async def _nothing(_: Office) -> None:
    """Prepare nothing."""


async def _disconnect(office: Office) -> None:
    await office.store.removal.disconnect(office.sales.id, by=office.ann.owner)


async def _shared(office: Office) -> None:
    await office.store.membership.share(office.sales.id, [office.ann.owner], by=ROOT)


async def _shared_by_two(office: Office) -> None:
    """Ann is disabled: that is an entry of its own."""
    await office.store.membership.share(office.sales.id, [office.ann.owner, BOB], by=ROOT)
    await office.store.user_lifecycle.disable(office.ann.owner, by=ROOT)
    await office.store.removal.disconnect(office.ann.id, by=ROOT)


async def _contact(office: Office) -> None:
    await office.store.records.add("contact", NewRecord(addresses=(office.kim,)))


async def _ref(office: Office) -> RecordRef:
    return next(one.ref for one in await office.store.records.find(office.kim) if one.ref.kind == "contact")


async def _edit(office: Office) -> object:
    return await office.store.own_records.edit(await _ref(office), RecordEdit(name="Kim"), by=ROOT)


async def _delete(office: Office) -> None:
    await office.store.own_records.delete(await _ref(office), by=ROOT)


async def _link(office: Office) -> None:
    await office.store.sign_ins.offer(office.ann.owner, f"link {office.kim}", lasts=HOUR)


async def _private(office: Office) -> None:
    await office.store.withdrawing.keep_private(office.mail, by=office.ann.owner)


async def _deleted(office: Office) -> None:
    await office.store.deleting.delete(office.mail, by=ROOT)


async def _disabled(office: Office) -> None:
    await office.store.user_lifecycle.disable(office.ann.owner, by=ROOT)


async def _blocked(office: Office) -> None:
    await office.store.accounts.set_state(office.sales.id, AccountState.BLOCKED, by=ROOT)


async def _proven(office: Office) -> None:
    await office.store.accounts.save_aliases(office.sales.id, [f"x{office.sales.address}"], by=office.ann.owner)
    await office.store.address_proofs.prove(
        office.sales.id, f"x{office.sales.address}", ProofKind.ADMINISTRATOR, by=ROOT
    )


async def _switched(office: Office) -> None:
    await office.store.key_rotation.switch("k2", by=ROOT)
    await office.store.key_rotation.extend_emails("k2")
    await office.store.key_rotation.remark_addresses("k2")
    await office.world.database["ledger"].update_many({}, {"$set": {"mark_key": "k2"}})


async def _lost(office: Office) -> None:
    await office.world.database["settings"].update_one({"_id": "marks"}, {"$addToSet": {"used": "only"}})


async def _synchronised(office: Office) -> None:
    await office.world.database["accounts"].update_one({"_id": office.ann.id}, {"$set": {"resync_requested": False}})


async def _unblock(office: Office) -> object:
    blocked = await office.store.accounts.get(office.sales.id)
    return await office.store.blocked_accounts.unblock(blocked)


async def _domains(office: Office) -> object:
    policy = (await office.store.company.policy()).replaced(internal_domains=("corp.com",))
    return await office.store.sharing.set_company(policy, by=ROOT)


async def _company(office: Office) -> object:
    policy = (await office.store.company.policy()).replaced(excluded_domains=("law.com",))
    return await office.store.sharing.set_company(policy, by=ROOT)


def _group(office: Office) -> ProvisionedGroup:
    return ProvisionedGroup(id=office.kim, name=office.kim, members=(office.ann.owner,), created_at=now())


async def _grouped(office: Office) -> None:
    await office.store.groups.add(_group(office), administrators="", by=ROOT)


async def _revoke(office: Office) -> None:
    (token,) = await office.store.scim_tokens.get_all()
    await office.store.scim_tokens.revoke(token.id, by=ROOT)


Change = Callable[[Office], Awaitable[object]]
CASES: list[tuple[str, str, Callable[[Office], Awaitable[None]], Change]] = [
    ("user.add", "users", _nothing, lambda o: o.store.users.add("new@corp.com", by=ROOT)),
    ("user.admin", "users", _nothing, lambda o: o.store.users.set_admin(BOB, admin=True, by=ROOT)),
    (
        "user.change",
        "users",
        _nothing,
        lambda o: o.store.users.set_profile(o.ann.owner, name="Ann", external_id=None, by=ROOT),
    ),
    ("user.identity", "users", _nothing, _bind),
    ("user.admin", "users", _nothing, lambda o: o.store.groups.add(_group(o), administrators=o.kim, by=ROOT)),
    ("scim.group", "groups", _nothing, lambda o: o.store.groups.add(_group(o), administrators="", by=ROOT)),
    ("scim.group", "groups", _grouped, lambda o: o.store.groups.remove(o.kim, administrators="", by=ROOT)),
    ("scim.token", "scim_tokens", _nothing, lambda o: o.store.scim_tokens.add("token", by=ROOT)),
    ("scim.revoke", "scim_tokens", _nothing, _revoke),
    ("user.disable", "users", _nothing, lambda o: o.store.user_lifecycle.disable(o.ann.owner, by=ROOT)),
    ("user.enable", "users", _disabled, lambda o: o.store.user_lifecycle.enable(o.ann.owner, by=ROOT)),
    ("user.remove", "users", _disabled, lambda o: o.store.user_lifecycle.remove(o.ann.owner, by=ROOT)),
    (
        "account.transfer",
        "accounts",
        _disabled,
        lambda o: o.store.user_lifecycle.remove(o.ann.owner, by=ROOT, transfer_to=BOB),
    ),
    ("record.edit", "contacts", _contact, _edit),
    ("record.delete", "contacts", _contact, _delete),
    (
        "account.share",
        "accounts",
        _nothing,
        lambda o: o.store.membership.share(o.sales.id, [o.ann.owner, BOB], by=o.ann.owner),
    ),
    ("account.own", "accounts", _shared, lambda o: o.store.membership.own(o.sales.id, BOB, by=ROOT)),
    ("account.members", "accounts", _shared, lambda o: o.store.membership.change(o.sales.id, add=[BOB], by=ROOT)),
    ("account.members", "accounts", _shared_by_two, lambda o: o.store.user_lifecycle.remove(o.ann.owner, by=ROOT)),
    ("account.add", "accounts", _nothing, lambda o: o.store.accounts.add(account("n@corp.com", owner=BOB), by=BOB)),
    (
        "account.add",
        "accounts",
        _disconnect,
        lambda o: o.store.accounts.add(account(o.sales.address, owner=o.ann.owner, id=o.sales.id), by=o.ann.owner),
    ),
    (
        "account.state",
        "accounts",
        _nothing,
        lambda o: o.store.accounts.set_state(o.ann.id, AccountState.PAUSED, by=ROOT),
    ),
    ("account.state", "accounts", _blocked, _unblock),
    ("account.resync", "accounts", _synchronised, lambda o: o.store.accounts.request_resync(o.ann.id, by=o.ann.owner)),
    (
        "account.credentials",
        "accounts",
        _nothing,
        lambda o: o.store.accounts.save_credentials(
            o.ann.id, SEALED.model_copy(update={"key_id": "new"}), by=o.ann.owner
        ),
    ),
    (
        "account.folders",
        "accounts",
        _nothing,
        lambda o: o.store.accounts.save_folder_rules(o.ann.id, FolderRules(exclude=("Old",)), by=o.ann.owner),
    ),
    (
        "account.aliases",
        "accounts",
        _nothing,
        lambda o: o.store.accounts.save_aliases(o.ann.id, ["a@x.com"], by=o.ann.owner),
    ),
    (
        "account.sharing",
        "accounts",
        _nothing,
        lambda o: o.store.sharing.set_account(o.ann.id, SharingPolicy(mode=Mode.PRIVATE), by=o.ann.owner),
    ),
    ("account.disconnect", "accounts", _nothing, lambda o: o.store.removal.disconnect(o.ann.id, by=o.ann.owner)),
    (
        "account.displaced",
        "accounts",
        _nothing,
        lambda o: o.store.removal.disconnect(o.ann.id, by=BOB, displaced_from=o.ann.address),
    ),
    ("account.purge", "accounts", _nothing, lambda o: o.store.removal.purge(o.ann.id, by=o.ann.owner)),
    (
        "account.code",
        "address_codes",
        _nothing,
        lambda o: o.store.address_codes.offer(o.sales.id, o.sales.address, "CODE", lasts=HOUR, by=o.ann.owner),
    ),
    (
        "account.proof",
        "accounts",
        _nothing,
        lambda o: o.store.address_proofs.prove(o.sales.id, o.sales.address, ProofKind.CODE, by=o.ann.owner),
    ),
    (
        "account.proof-lost",
        "accounts",
        _proven,
        lambda o: o.store.address_proofs.prove(o.ann.id, f"x{o.sales.address}", ProofKind.SIGN_IN, by=o.ann.owner),
    ),
    ("company.domains", "settings", _nothing, _domains),
    ("company.sharing", "settings", _nothing, _company),
    (
        "console.link",
        "sign_in_links",
        _nothing,
        lambda o: o.store.sign_ins.offer(o.ann.owner, f"link {o.kim}", lasts=HOUR, by=ROOT),
    ),
    (
        "console.sign-in",
        "sessions",
        _link,
        lambda o: o.store.sign_ins.use(f"link {o.kim}", f"session {o.kim}", lasts=HOUR),
    ),
    (
        "console.sign-in",
        "sign_in_links",
        _link,
        lambda o: o.store.sign_ins.use(f"link {o.kim}", f"session {o.kim}", lasts=HOUR),
    ),
    (
        "console.sign-in",
        "sessions",
        _nothing,
        lambda o: o.store.sign_ins.start(o.ann.owner, f"session {o.kim}", lasts=HOUR, how="oidc"),
    ),
    ("email.private", "withdrawals", _nothing, lambda o: o.store.withdrawing.keep_private(o.mail, by=o.ann.owner)),
    ("email.share", "withdrawals", _private, lambda o: o.store.withdrawing.share_again(o.mail, by=o.ann.owner)),
    ("email.delete", "tombstones", _nothing, lambda o: o.store.deleting.delete(o.mail, by=ROOT)),
    ("email.restore", "tombstones", _deleted, lambda o: o.store.undoing.restore(o.mail, by=ROOT)),
    ("secrets.rotate", "settings", _nothing, lambda o: o.store.key_rotation.switch("k2", by=ROOT)),
    ("secrets.rotated", "settings", _switched, lambda o: o.store.key_rotation.retire(by=ROOT)),
    ("secrets.lost", "settings", _lost, lambda o: o.store.key_rotation.forget("only", by=ROOT)),
]


def dying(patch: pytest.MonkeyPatch, action: str) -> None:
    """Let a process die after the last write of the transaction that has an action's entry, before it is committed."""
    add, transaction, written = Audit.add, Fence.transaction, list[str]()

    async def noted(log: Audit, what: str, **entry: Any) -> None:
        await add(log, what, **entry)
        written.append(what)

    async def broken(fence: Fence, body: Callable[[MongoSession], Awaitable[Any]], *more: Any) -> Any:
        async def then_die(session: MongoSession) -> Any:
            result = await body(session)
            if action in written:
                raise DiedError
            return result

        return await transaction(fence, then_die, *more)

    patch.setattr(Audit, "add", noted)
    patch.setattr(Fence, "transaction", broken)


async def stored(office: Office, collection: str) -> list[dict[str, Any]]:
    """Return every document of a collection."""
    database = office.world.crm if collection == "contacts" else office.world.database
    return [one async for one in database[collection].find().sort("_id")]


async def test_a_change_and_its_entry_are_one(world: World) -> None:
    """A death before the commit leaves neither; the repetition makes both. Actions are tried in turn, each with its own people."""
    config = StoreConfig(blind_index_keys={"k2": b"l" * 32, "only": b"k" * 32}, lease_seconds=5)
    world = replace(world, store=Store(world.database, world.crm, config))
    await world.user(BOB)
    await world.user(ROOT, admin=True)
    for number, (action, collection, prepare, change) in enumerate(CASES):
        office = await office_of(world, number)
        await prepare(office)
        before, log = await stored(office, collection), await stored(office, "audit")
        known = {one["_id"] for one in log}
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, action)
            with pytest.raises(DiedError):
                await change(office)
        assert await stored(office, collection) == before, (number, action)
        new = [one["action"] for one in await stored(office, "audit") if one["_id"] not in known]
        assert action not in new, (number, action)
        await change(office)
        assert await stored(office, collection) != before, (number, action)
        new = [one["action"] for one in await stored(office, "audit") if one["_id"] not in known]
        mailboxes = 2 if action == "account.transfer" else 1
        assert new.count(action) == mailboxes, (number, action)


async def test_a_change_of_many_steps_has_its_entry_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure, and what is decided on a dead letter. Each start of a repetition has one, too."""
    await world.user(ROOT, admin=True)
    store, letter = world.store, DeadLetter(id="d", queue="q", reason="r", at=now())
    await store.dead_letters.add(letter)

    async def die(*_: Any, **__: Any) -> None:
        raise DiedError

    def erase() -> Awaitable[object]:
        return store.erasing.erase("kim@x.com", by=ROOT)

    def drop() -> Awaitable[object]:
        return dead_letters.drop(letter, store, by=ROOT)

    with monkeypatch.context() as patch:
        patch.setattr(store.record_addresses, "erase_address", die)
        patch.setattr(store.dead_letters, "remove", die)
        for start in (erase, drop):
            with pytest.raises(DiedError):
                await start()
    for start, action in ((erase, "privacy.erase"), (drop, "dead-letter.drop")):
        await start()
        assert len(await store.audit.newest(action=action)) == 2


def test_every_action_is_tried() -> None:
    """A new action belongs here."""
    assert actions() == {case[0] for case in CASES} | READS | STEPS
