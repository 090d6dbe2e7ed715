"""A company's history: each step is applied to the real matcher and store and, in parallel, to the reference model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from bson import ObjectId

from schemas.accounts import AccountState, ProofKind
from schemas.identity import team_of, thread_id
from schemas.mail import Attachment, Classification
from schemas.messages import MailParsed
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.sweepers import sweep_pending_work
from services.store import AlreadyExistsError, NotFoundError, Preview, Store, email_ref
from tests.factories import account as account_of
from tests.factories import confirmed
from tests.matcher.fixtures import mail, name_of, raw_of
from tests.matcher.histories.company import TEAM, Company, Held, Letter, Line, Mailbox, plain
from tests.matcher.histories.second_thoughts import SecondThoughts
from tests.matcher.histories.steps import BOXES, PURGE, SHARED, USERS, Step

NEVER = timedelta(seconds=-1)
STRENGTHS = {ProofKind.ADMINISTRATOR: 1, ProofKind.USER: 1, ProofKind.CODE: 2, ProofKind.SIGN_IN: 3}
"""Which proof of an address wins over another: "a proven connection wins over an unproven claim"."""


def attachment_of(name: str) -> Attachment:
    """Return the attachment of a mail."""
    data = file_of(name)
    return Attachment(
        name=f"file {name}.txt", media_type="text/plain", size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def file_of(name: str) -> bytes:
    """Return what is attached to a mail."""
    return f"file of {name}".encode()


class History(SecondThoughts):
    """Keeps the real system and the reference model in step."""

    boxes: dict[str, str]
    """Account ids by mailbox."""
    arrived: list[MailParsed]

    async def begin(self, store: Store) -> None:
        """Start a company without mailboxes, in databases that are emptied but keep their indexes."""
        for database in (self.database, self.crm):
            for name in await database.list_collection_names():
                await database[name].delete_many({})
        self.store, self.summaries = store, SummaryKeeper(store)
        self.paper = Company(USERS)
        self.refs, self.documents, self.boxes, self.written, self.arrived = {}, {}, {}, {}, []
        self.deletions = {}
        self.accounts, self.records, self.mails, self.copies, self.gone = {}, {}, [], {}, set()
        for user in USERS:
            await store.users.add(user)

    async def do(self, step: Step) -> None:
        """Apply a step to both. A thread kept private grows with what arrives: that is the same in both once all work is done."""
        await getattr(self, f"_{step[0]}")(*step[1:])
        if any(what.startswith("<") for _, what in self.paper.withdrawn):
            await self._settle()
            before = len(self.paper.withdrawn)
            self.paper.grow_private_threads()
            self.happened["thread kept private that grows"] += len(self.paper.withdrawn) > before

    async def _put_blobs(self, message: MailParsed) -> None:
        data = (*self._raw_parts(message), file_of(name_of(message)))
        await self.store.blobs.put_many([(each, email_ref(message.content.key)) for each in data])

    def raw_forms(self, viewer: str, name: str, copies: Iterable[Held]) -> set[bytes]:
        """Return the raw forms of a mail that a viewer may get: those of their own copies, or otherwise the one for all readers."""
        own = {copy.mailbox for copy in copies if self.paper.mailboxes[copy.mailbox].of(viewer)}
        return {raw_of(name, address) for address in own} or {raw_of(name)}

    # Mailboxes and policies

    async def _connect(self, box: str, mode: str, excluded: tuple[str, ...]) -> None:
        known = self.paper.mailboxes.get(box)
        if (known and known.connected) or mode not in self.paper.allowed or not self._works(BOXES[box]):
            return
        new = account_of(box, Mode(mode), excluded, owner=BOXES[box])
        if former := await self.store.former_accounts.find(new.owner, box):
            new = new.model_copy(update={"id": former.id})
        await self.store.accounts.add(new)
        await self.add_folders(new)
        self.boxes[box], self.accounts[new.id] = new.id, new
        self.paper.mailboxes[box] = Mailbox(BOXES[box], box, mode, excluded)
        if known and box in known.proofs and known.owner == BOXES[box]:  # the login is the same
            self.paper.prove(box, box, known.proofs[box])
        if box != BOXES[box]:
            self.paper.prove(box, box, STRENGTHS[ProofKind.ADMINISTRATOR])
        self._count_spellings(excluded)
        owned = [one for one in self.paper.mailboxes.values() if one.connected and one.owner == BOXES[box]]
        self.happened["several accounts of a user"] += len(owned) > 1
        if known:
            await self._backfilled(box)
        await self._settle()

    def _count_spellings(self, domains: Iterable[str]) -> None:
        for domain in domains:
            self.happened["domain with a trailing dot"] += domain.endswith(".")
            self.happened["domain with U-labels"] += not domain.isascii()
            self.happened["domain in upper case"] += domain != domain.lower()

    async def _team(self, members: tuple[str, ...], mode: str, excluded: tuple[str, ...]) -> None:
        """Connect a shared mailbox. Later members may change."""
        members = tuple(sorted(user for user in members if self._works(user)))
        if SHARED in self.paper.mailboxes or not members or mode not in self.paper.allowed:
            return
        new = account_of(SHARED, Mode(mode), excluded)
        new = new.model_copy(update={"owner": team_of(new.id), "members": members, "proofs": confirmed(SHARED)})
        await self.store.accounts.add(new)
        await self.add_folders(new)
        self.boxes[SHARED], self.accounts[new.id] = new.id, new
        self.paper.mailboxes[SHARED] = Mailbox(TEAM, SHARED, mode, excluded, members=set(members))
        self.paper.prove(SHARED, SHARED, STRENGTHS[ProofKind.ADMINISTRATOR])
        self.happened["shared mailbox"] += 1
        await self._settle()

    async def _share(self, box: str, members: tuple[str, ...]) -> None:
        """Let a user's mailbox become a shared one."""
        known = self.paper.mailboxes.get(box)
        members = tuple(sorted(user for user in members if self._works(user)))
        if not known or not known.connected or box in USERS or known.members or not members:
            return
        await self._settle()
        team = TEAM if box == SHARED else f"{TEAM} of {box}"  # the same one, if it was shared before
        self.paper.inherit(known.owner, team)
        known.owner, known.members = team, set(members)
        await self.store.membership.share(self.boxes[box], members, by="operator")
        self.happened["mailbox that becomes shared"] += 1
        await self.check_no_page_shows_too_much()
        await self._settle()

    async def _unshare(self, box: str, user: str) -> None:
        """Let a shared mailbox become a user's own one, who need not be a member."""
        known = self.paper.mailboxes.get(box)
        if not known or not known.connected or not known.members or not self._works(user):
            return
        await self._settle()
        self.paper.inherit(known.owner, user)
        known.owner, known.members = user, set()
        await self.store.membership.own(self.boxes[box], user, by="operator")
        self.happened["shared mailbox that becomes an own one"] += 1
        await self.check_no_page_shows_too_much()
        await self._settle()

    async def _members(self, box: str, joins: str, leaves: str) -> None:
        """Let a user join a team, and another one leave it. Links are as before."""
        known = self.paper.mailboxes.get(box)
        if not known or not known.members or not self._works(joins):
            return
        after = {*known.members, joins} - {leaves}
        if not any(map(self._works, after)):
            return
        leaving = {leaves} & known.members
        self.happened["member who joins"] += joins not in known.members
        self.happened["member who leaves"] += bool(leaving)
        known.members = after
        await self.store.membership.change(self.boxes[box], add=[joins], remove=leaving, by="operator")
        await self.check_no_page_shows_too_much()

    def _runs(self, box: Mailbox) -> bool:
        """Whether a mailbox is not paused: one of its holders is not disabled."""
        return any(self._works(user) for user in USERS if box.of(user))

    async def _backfilled(self, box: str) -> None:
        """Do what poller and parser do when a mailbox is connected again: each copy without a row gets one."""
        again = []
        for key, copy in self.copies.items():
            if copy.source.account == self.boxes[box] and key not in self.gone:
                self.paper.copies[key].lost = False
                if not await self.database["ledger"].find_one({"_id": key}):
                    await self._put_blobs(copy)
                    await self.database["ledger"].insert_one(self._row(copy, "published"))
                    again.append(copy)
        if again:
            await self.match(*again)

    async def _policy(self, box: str, mode: str, excluded: tuple[str, ...]) -> None:
        known = self.paper.mailboxes.get(box)
        if not known or not known.connected or mode not in self.paper.allowed or not self._runs(known):
            return
        await self._settle()
        self._count_spellings(excluded)
        self.happened["policy"] += 1
        asker = next(user for user in USERS if known.of(user) and self._works(user))
        policy = SharingPolicy(mode=Mode(mode), excluded_domains=excluded)
        told = await self.store.previewing.account(await self.store.accounts.get(self.boxes[box]), policy, by=asker)
        lines = self.known_to(asker)
        before = self.seen(asker, lines)
        known.mode, known.excluded = mode, excluded
        self._told(told, before, lines, asker)
        await self.store.accounts.save_sharing(self.boxes[box], policy)
        await self.check_no_page_shows_too_much()
        await self.store.sharing.set_account(self.boxes[box], policy, by="operator")

    async def _company(self, excluded: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        await self._settle()
        self._count_spellings(excluded)
        self.happened["company's policy"] += 1
        policy = CompanyPolicy(
            excluded_domains=excluded,
            allowed_modes=tuple(map(Mode, allowed)),
            default_mode=Mode(allowed[0]),
            internal_domains=self.paper.own_domains,
            opened_domains=self.paper.opened,
            version=(await self.store.company.policy()).version,
        )
        told = await self.store.previewing.company(policy, by=USERS[0])
        lines = self.known_to(USERS[0])
        before = self.seen(USERS[0], lines)
        self.paper.excluded, self.paper.allowed = excluded, allowed
        self._told(told, before, lines, USERS[0])
        policy = await self.store.company.save(policy)
        await self.check_no_page_shows_too_much()
        await self.store.sharing.set_company(policy, by="operator")

    async def _own(self, domains: tuple[str, ...], opened: tuple[str, ...]) -> None:
        """Let the administrator set the company's domains, and open or close some."""
        await self._settle()
        self.paper.own_domains, self.paper.opened = domains, opened
        self._count_spellings((*domains, *opened))
        self.happened["company's domains"] += bool(domains)
        self.happened["opened domain"] += bool(opened)
        changed = (await self.store.company.policy()).replaced(internal_domains=domains, opened_domains=opened)
        await self.store.sharing.set_company(changed, by="operator")
        await self._settle()

    async def _disable(self, user: str) -> None:
        if self._works(user):
            self.paper.disabled.add(user)
            self.happened["disable"] += 1
            await self.store.user_lifecycle.disable(user, by="operator")
            await self.check_no_page_shows_too_much()

    async def _enable(self, user: str) -> None:
        if user in self.paper.disabled:
            self.paper.disabled.remove(user)
            self.happened["enable"] += 1
            await self.store.user_lifecycle.enable(user, by="operator")

    async def _leave(self, user: str, then: str | None) -> None:
        """Remove a user; their mailboxes are purged, or go to another one, or are disconnected."""
        if user not in self.paper.users or then == user:
            return
        await self._settle()
        heir = then if then in self.paper.users else None
        theirs = [name for name, box in self.paper.mailboxes.items() if user in (box.owner, *box.members)]
        theirs = [name for name in theirs if self.paper.mailboxes[name].members in (set(), {user})]
        self.paper.users = tuple(one for one in self.paper.users if one != user)
        self.paper.disabled.discard(user)
        for name in theirs:
            box = self.paper.mailboxes[name]
            if then == PURGE:
                self._forget(name)
            elif heir is None:
                box.connected = False
            elif box.members:
                box.members = {heir}
            else:
                others = [one for one in self.paper.mailboxes.values() if one is box or one.connected]
                if user in box.theirs() and not any(user in one.proofs for one in others):
                    box.proofs[user] = STRENGTHS[ProofKind.USER]
                box.owner = heir
        for box in self.paper.mailboxes.values():
            box.members.discard(user)
        if heir is None:
            self.paper.settle()
        else:
            self.paper.inherit(user, heir)
        await self.store.user_lifecycle.remove(user, by="operator", purge=then == PURGE, transfer_to=heir)
        self.happened[f"{'purge' if then == PURGE else 'transfer' if heir else 'disconnect'} on removal"] += bool(
            theirs
        )
        if heir is None:
            await self.check_no_page_shows_too_much()
        await self._settle()

    def _forget(self, box: str) -> str:
        """Take a mailbox out of the model with its copies; return its account's id."""
        del self.paper.mailboxes[box]
        for key in [key for key, copy in self.paper.copies.items() if copy.mailbox == box]:
            del self.paper.copies[key], self.copies[key]
        return self.boxes.pop(box)

    async def _alias(self, box: str, address: str) -> None:
        known = self.paper.mailboxes.get(box)
        if known and known.connected:
            known.aliases = tuple({*known.aliases, address})
            self.happened["alias"] += 1
            await self.store.accounts.save_aliases(self.boxes[box], known.aliases, by=known.owner)
            await self.check_no_page_shows_too_much()

    async def _prove(self, box: str, address: str, how: str) -> None:
        known = self.paper.mailboxes.get(box)
        if known and known.connected:
            succeeds = self.paper.prove(box, address, STRENGTHS[ProofKind(how)])
            self.happened["proof of an address" if succeeds else "refused proof of an address"] += 1
            try:
                await self.store.address_proofs.prove(self.boxes[box], address, ProofKind(how), by="operator")
            except AlreadyExistsError:
                assert not succeeds, f"{box} may not prove {address}"
            else:
                assert succeeds, f"{box} proved {address}"

    async def _disconnect(self, box: str) -> None:
        known = self.paper.mailboxes.get(box)
        if known and known.connected:
            await self._settle()
            known.connected = False
            self.happened["disconnect"] += 1
            self.paper.settle()
            await self.store.removal.disconnect(self.boxes[box], by=known.owner)
            assert (await self.store.accounts.get(self.boxes[box])).state is AccountState.DISCONNECTED

    async def _purge(self, box: str) -> None:
        if known := self.paper.mailboxes.get(box):
            self.happened["purge"] += 1
            await self.store.removal.purge(self._forget(box), by=known.owner)
            await self._settle()

    # Mail

    async def _letter(  # noqa: PLR0917 - the arguments of a step
        self,
        name: str,
        people: tuple[str, ...],
        answers: tuple[str, ...],
        identified: bool,
        alias: str = "",
        about: str = "",
    ) -> None:
        if name in self.paper.letters:
            return
        answers = tuple(one for one in answers if one in self.paper.letters)
        self.paper.letters[name] = Letter(name, people, answers, identified, alias, about)
        message_id, references = (
            f"{alias or name}@mail" if identified else None,
            tuple(f"{one}@mail" for one in answers),
        )
        self.written[name] = mail(
            name,
            people[0],
            *people[1:2],
            cc=people[2:],
            references=references,
            thread=thread_id(message_id=message_id, in_reply_to=None, references=references, key=name),
            attachments=(attachment_of(name),),
            message_id=message_id,
            marks=Classification(bounce=bool(about), bounced_id=f"{about}@mail" if about else None),
        )

    async def _arrive(self, copies: tuple[tuple[str, str, tuple[str, ...], bool], ...]) -> None:
        batch = []
        for box, name, bcc, filed in copies:
            known = self.paper.mailboxes.get(box)
            if not known or not known.connected or name not in self.written or not self._runs(known):
                continue
            if not self.paper.letters[name].identified and any(
                one.letter == name and one.mailbox != box for one in self.paper.copies.values()
            ):
                continue  # without a Message-ID, each mailbox has a separate email
            message = await self.copy(self.accounts[self.boxes[box]], self.written[name], bcc=bcc, sent=filed)
            self.paper.copies[message.source.id] = Held(box, name, bcc, filed, late=name in self.paper.deleted)
            self._count_arrival(known, self.paper.letters[name], bcc, filed)
            batch.append(message)
        if batch:
            self.arrived += batch
            await self.match(*batch)

    def _count_arrival(self, box: Mailbox, letter: Letter, bcc: tuple[str, ...], filed: bool) -> None:
        self.happened["Bcc copy"] += bool(bcc)
        self.happened["forwarded copy"] += not {box.address, *box.aliases}.intersection(letter.people)
        if letter.alias in self.paper.letters:
            self.happened[f"thread attack by {'appended' if filed else 'received'} mail"] += 1
        self.happened["bounce"] += letter.about in self.paper.letters
        if letter.name in self.paper.deleted:
            self.happened["copy of deleted mail"] += 1

    def _numbered(self, number: int) -> MailParsed | None:
        live = [one for one in self.arrived if one.source.id in self.paper.copies and one.source.id not in self.gone]
        live = [one for one in live if self.paper.mailboxes[self._box(one)].connected]
        return live[number % len(live)] if live else None

    def _box(self, message: MailParsed) -> str:
        return self.paper.copies[message.source.id].mailbox

    async def _gone(self, number: int) -> None:
        if message := self._numbered(number):
            self.paper.copies[message.source.id].alive = False
            self.happened["gone"] += 1
            await self.go(message.source.id)
            await self.announce_gone(message.source.id)

    async def _flagged(self, number: int, on: bool) -> None:
        """Set a copy's deleted flag, or remove it from a flagged one."""
        some = [one for one in self.arrived if one.source.id in self.paper.copies and one.source.id not in self.gone]
        some = [one for one in some if self.paper.mailboxes[self._box(one)].connected]
        some = [one for one in some if self.paper.copies[one.source.id].flagged is not on]
        if some:
            message = some[number % len(some)]
            self.paper.copies[message.source.id].flagged = on
            self.happened["flagged" if on else "flag removed"] += 1
            await self.flag(message.source.id, on=on)
            await self.check_no_page_shows_too_much()
            await self.announce_gone(message.source.id)

    async def _moved(self, number: int, refiled: bool) -> None:
        if message := self._numbered(number):
            held = self.paper.copies[message.source.id]
            self.happened["moved"] += 1
            await self._gone(number)
            await self._arrive(((held.mailbox, held.letter, held.bcc, held.filed is not refiled),))

    # Records

    async def _record(self, label: str, kind: str, addresses: tuple[str, ...]) -> None:
        if label in self.paper.records:
            return
        document = {"_id": ObjectId(), "emails": list(addresses)}
        self.refs[label] = RecordRef(kind="lead" if kind == "lead" else "contact", id=str(document["_id"]))
        await self._put(label, document)
        await self.changed(self.refs[label])

    async def _put(self, label: str, document: dict[str, Any]) -> None:
        self.documents[label] = document
        known = self.paper.records.setdefault(label, set())
        known.update(map(plain, document["emails"]))
        self.paper.readers[label] = {one.lower() for one in document.get("access", {}).get("readers", ())}
        self.happened["address in another spelling"] += any(plain(one) != one for one in document["emails"])
        others = [theirs for other, theirs in self.paper.records.items() if other != label]
        self.happened["shared address"] += not known.isdisjoint({one for theirs in others for one in theirs})
        collection = self.crm[f"{self.refs[label].kind}s"]
        fields = {name: value for name, value in document.items() if name != "_id"}
        await collection.update_one({"_id": document["_id"]}, {"$set": fields}, upsert=True)

    async def _readdress(self, label: str, addresses: tuple[str, ...]) -> None:
        if label in self.paper.records:
            self.happened["readdress"] += 1
            await self._put(label, {**self.documents[label], "emails": list(addresses)})
            await self.changed(self.refs[label])

    async def _away(self, label: str) -> None:
        del self.paper.records[label]
        await self.crm[f"{self.refs[label].kind}s"].delete_one({"_id": self.documents[label]["_id"]})

    async def _delete(self, label: str) -> None:
        if label in self.paper.records:
            await self._away(label)
            await self.changed(self.refs[label])

    async def _restore(self, label: str) -> None:
        if label in self.documents and label not in self.paper.records:
            self.happened["restore a record"] += 1
            await self._put(label, self.documents[label])
            await self.changed(self.refs[label])

    async def _merge(self, kept: str, other: str, order: str) -> None:
        if not {kept, other} <= set(self.paper.records):
            return
        self.happened["merge"] += 1
        both = [*self.documents[kept]["emails"], *self.documents[other]["emails"]]
        merged = {**self.documents[kept], "emails": list(dict.fromkeys(both))}
        await self._replaced(other, kept, merged, order.replace("into", "made"))

    async def _convert(self, lead: str, contact: str, order: str) -> None:
        if lead not in self.paper.records or contact in self.paper.records:
            return
        self.refs[contact] = RecordRef(kind="contact", id=str(ObjectId()))
        document = {**self.documents[lead], "_id": ObjectId(self.refs[contact].id)}
        self.happened["convert"] += 1
        await self._replaced(lead, contact, document, order)

    async def _replaced(self, old: str, new: str, document: dict[str, Any], order: str) -> None:
        """Replace one record by another, with the matcher's events in the given order."""
        if order == "made first":
            await self._put(new, document)
            await self.changed(self.refs[new])
            await self._away(old)
            await self.changed(self.refs[old])
        elif order == "away first":
            await self._away(old)
            await self.changed(self.refs[old])
            await self._put(new, document)
            await self.changed(self.refs[new])
        else:
            await self._away(old)
            await self._put(new, document)
            await self.changed(self.refs[old], self.refs[new])

    # Previews of a change

    def known_to(self, asker: str) -> set[Line]:
        """Return the lines that an asker sees by copies of which they may know: of other copies a preview of these says nothing."""
        granted = self.paper.granting(asker).items()
        return {line for line, copies in granted if any(self.paper.tells_of(asker, one) for one in copies)}

    def seen(self, asker: str, known: set[Line]) -> set[tuple[str, str, str]]:
        """Return (viewer, record, mail) for everything that any user sees, as far as an asker may know why."""
        return {
            (viewer, *line)
            for viewer in USERS
            for line, copies in self.paper.granting(viewer).items()
            if line not in known or any(self.paper.tells_of(asker, one) for one in copies)
        }

    def _told(self, told: Preview, before: set[tuple[str, str, str]], known: set[Line], asker: str) -> None:
        """Check a preview against the rule before and after the change, limited to mail that the asker sees before it."""
        after = self.seen(asker, known)
        for effect, changed in ((told.hidden, before - after), (told.shown, after - before)):
            moved = {one for one in changed if (asker, *one[1:]) in before}
            counts = [len({one[place] for one in moved}) for place in (2, 0, 1)]
            assert [effect.emails, effect.users, effect.records] == counts, "the preview counts something else"
            labels = {str(ref): label for label, ref in self.refs.items()}
            examples = {(labels[str(one.record)], self.name_of(one.email)) for one in effect.examples}
            assert examples <= {(record, letter) for _, record, letter in moved}, "an example that is none"
            assert all((asker, *line) in before for line in examples), "an example that the asker may not see"

    # Time

    async def _settle(self) -> None:
        self.paper.settle()
        for _ in range(5):
            paid = await sweep_pending_work(store=self.store, summaries=self.summaries, overdue=NEVER)
            await self.store.sharing.resume()
            await self.rest()
            if not paid:
                return
        raise AssertionError("work keeps coming")

    async def check_no_page_shows_too_much(self) -> None:
        """Check, before links are updated, that no page shows more than the rule allows."""
        for viewer in USERS:
            allowed = self.paper.granting(viewer)
            for label, ref in self.refs.items():
                try:
                    page = await self.store.reading.visible_emails(viewer, ref, limit=100)
                except NotFoundError:
                    assert not self._works(viewer)
                    continue
                extra = {self.name_of(one.email) for one in page.emails} - {
                    letter for record, letter in allowed if record == label
                }
                assert not extra, f"{viewer} sees {extra} on {label} before anything has followed"

    def name_of(self, key: str) -> str:
        """Return a mail's name by its email's key."""
        return next(name for name, content in self.written.items() if content.key == key)
