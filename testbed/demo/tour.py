"""The steps of the demo: connect three mailboxes, watch the backfill, then what happens from then on."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from schemas.ledger import EpochState, RowState
from schemas.records import RecordRef
from services.store import AccountStatus, Store, VisibleEmail
from testbed.demo import commands, screen
from testbed.demo.world import World
from testbed.samples.company import CONTACTS, LATE_CONTACT, LEADS, USERS
from testbed.samples.demo_mail import DemoMail
from testbed.samples.model import SampleMail
from testbed.samples.person import User

BACKFILL_SECONDS = 180.0
LIVE_SECONDS = 30.0
ANNA, LUC, HELEN = USERS
HALVORSEN = CONTACTS[0]


class Tour:
    """One run through the steps; they build on each other."""

    def __init__(self, world: World, store: Store, check: Callable[[], None]) -> None:
        self.world = world
        self.check = check
        self.store = store
        self.mail = DemoMail(now=datetime.now(UTC))
        self.started = time.monotonic()

    def prepare(self) -> None:
        """Fill the mailboxes, add users, leads and contacts."""
        screen.step(1, "A company with a CRM: three users, their mailboxes, leads and contacts")
        mails = self.mail.mailboxes()
        for user in USERS:
            count = self.world.mailbox(user).fill(mail for mail in mails if mail.user == user.key)
            screen.say(f"  {user.addresses[0]}: {count} mails in a real Dovecot")
        screen.say("")
        for user in USERS:
            commands.add_user(self._run, user)
        commands.import_records(self._run)

    def connect(self) -> None:
        """Connect the mailboxes, each shared as its owner wants."""
        screen.step(2, "Each connects a mailbox and chooses who may see its mail")
        imap, smtp = self.world.servers.imap, self.world.servers.smtp
        for user in USERS:
            if user is HELEN and self.world.signs_in:
                self._sign_in(user)
                continue
            password = self.world.passwords[user.key]
            commands.connect(self._run, user, password, imap=(imap.host, imap.port), smtp=(smtp.host, smtp.port))
            commands.confirm_aliases(self._run, user)

    def _sign_in(self, user: User) -> None:
        """Connect a mailbox by a sign-in at the company's identity server."""
        screen.say(f"{user.name} gives Leadmail no password: she signs in at {self.world.servers.identity.issuer}")
        screen.say("and enters the code there that the command shows.")
        browser = threading.Thread(target=self.world.enter_code, args=(user,), daemon=True)
        browser.start()
        commands.connect_by_sign_in(self._run, user)
        browser.join()

    async def backfill(self) -> list[AccountStatus]:
        """Watch until every mailbox is synchronised and confirmed."""
        screen.step(3, "The mail that is already there is synchronised")

        def confirmed(accounts: list[AccountStatus]) -> bool:
            self.check()
            return _confirmed(accounts)

        return await screen.progress(self.store, confirmed, BACKFILL_SECONDS)

    async def confirmations(self) -> None:
        """Show the confirmation as its receiver sees it."""
        screen.step(4, "Each owner gets one confirmation, by mail; this is Luc's")
        for sent in self.world.servers.sink.sent():
            if LUC.addresses[0] in sent.recipients:
                screen.show_mail(sent.raw)

    async def pages(self) -> None:
        """Show one record as each user sees it."""
        screen.step(5, f"The record page of {HALVORSEN.name}, as each user sees it")
        for user in USERS:
            screen.run(self.world, "emails", HALVORSEN.addresses[0], "--viewer", user.addresses[0], lines=9)
        seen, hidden = await self._private_mail()
        screen.say(
            "Helen's mailbox is private. She sees this mail of hers, and Anna does not. `leadmail explain` says why:"
        )
        screen.say("")
        for viewer in (HELEN, ANNA):
            screen.run(self.world, "explain", hidden, seen, "--viewer", viewer.addresses[0])

    async def new_mail(self) -> None:
        """Deliver a new mail and show how soon it is on the record."""
        screen.step(6, "A new mail arrives")
        (mail,) = [one for one in self.mail.scene("contact-writes", at=datetime.now(UTC)) if one.user == ANNA.key]
        took = await self._arrive(mail, ANNA)
        screen.say(f"{HALVORSEN.name} writes to Anna. Visible on the record {took * 1000:.0f} ms after delivery")
        screen.say("(Dovecot waits 500 ms of that before it notifies a client). Luc, a colleague, sees it at once:")
        screen.say("")
        screen.run(self.world, "emails", HALVORSEN.addresses[0], "--viewer", LUC.addresses[0], "--limit", "3", lines=4)

    async def on_the_phone(self) -> None:
        """Read a mail on a phone and show it on the record page."""
        screen.step(7, "Anna reads it on her phone")
        (ref,) = [record.ref for record in await self.store.records.find(HALVORSEN.addresses[0])]
        newest = (await self._page(ANNA, ref))[0]
        screen.say(f"Before: {_state(newest)}")
        content = (await self.store.reading.show(ANNA.addresses[0], newest.email)).content
        await asyncio.to_thread(self.world.mailbox(ANNA).mark_read, f"<{content.message_id}>")

        async def read() -> bool:
            return "\\Seen" in (await self._page(ANNA, ref))[0].flags

        took = await screen.until(read, LIVE_SECONDS, "that the mail was read")
        screen.say(f"After {took * 1000:.0f} ms: {_state((await self._page(ANNA, ref))[0])}", style="green")
        await asyncio.to_thread(self.world.mailbox(ANNA).move, f"<{content.message_id}>", "Archive")

        async def moved() -> bool:
            return "Archive" in (await self._page(ANNA, ref))[0].folder

        took = await screen.until(moved, LIVE_SECONDS, "that the mail was moved")
        screen.say(
            f"She archives it. After {took * 1000:.0f} ms: {_state((await self._page(ANNA, ref))[0])}", style="green"
        )

    async def late_contact(self) -> None:
        """Create a contact whose mail is already in the mailboxes and show its history."""
        screen.step(
            8, f"{LATE_CONTACT.name} becomes a contact; her mail concerned no record so far, so it was not stored"
        )
        address = LATE_CONTACT.addresses[0]
        screen.run(
            self.world, "contact", "add", address, "--name", LATE_CONTACT.name, "--company", LATE_CONTACT.company
        )
        wanted = len({mail.truth.email for mail in self.mail.late_contact() if mail.user in (ANNA.key, LUC.key)})
        (ref,) = [record.ref for record in await self.store.records.find(address)]

        async def complete() -> bool:
            return await self.store.reading.count(ANNA.addresses[0], ref) >= wanted

        took = await screen.until(complete, LIVE_SECONDS, "the history of the late contact")
        screen.say(f"{wanted} emails, fetched from two mailboxes within {took:.1f} s:")
        screen.say("")
        screen.run(self.world, "emails", address, "--viewer", ANNA.addresses[0], lines=8)

    async def summary(self) -> str:
        """Return the demo's last line."""
        counts: dict[RowState, int] = {}
        for account in await self.store.status.accounts():
            for state, count in account.counts.items():
                counts[state] = counts.get(state, 0) + count
        messages = sum(count for state, count in counts.items() if state is not RowState.GONE)
        states = (RowState.ATTACHED, RowState.UNMATCHED, RowState.SKIPPED, RowState.QUARANTINED)
        ended = ", ".join(f"{counts.get(state, 0)} {state.value}" for state in states)
        confirmations = len(self.world.servers.sink.sent())
        seconds = time.monotonic() - self.started
        return f"demo: {messages} messages: {ended}; {confirmations} confirmations; {seconds:.0f} s"

    def _run(self, *arguments: str, stdin: str | None = None) -> str:
        return screen.run(self.world, *arguments, stdin=stdin)

    async def _private_mail(self) -> tuple[str, str]:
        """Return an email that Helen sees and Anna does not, and an address of its record."""
        for person in (*CONTACTS, *LEADS):
            for record in await self.store.records.find(person.addresses[0]):
                for line in await self._page(HELEN, record.ref):
                    explain = self.store.explaining.explain
                    explanation = await explain(ANNA.addresses[0], record.ref, line.email, asked_by=None)
                    if not explanation.visible:
                        return line.email, record.addresses[0]
        raise RuntimeError("Anna sees all of Helen's mail on every record")

    async def _page(self, viewer: User, ref: RecordRef) -> Sequence[VisibleEmail]:
        return (await self.store.reading.visible_emails(viewer.addresses[0], ref)).emails

    async def _arrive(self, mail: SampleMail, user: User) -> float:
        """Deliver a mail and return after how many seconds it is on its record's page."""
        (ref,) = [record.ref for record in await self.store.records.find(HALVORSEN.addresses[0])]
        subject = email.message_from_bytes(mail.raw, policy=email.policy.default)["Subject"]
        await asyncio.to_thread(self.world.servers.deliver, user.addresses[0], mail.raw)

        async def visible() -> bool:
            return any(line.subject == subject for line in await self._page(LUC, ref))

        return await screen.until(visible, LIVE_SECONDS, "that the new mail is visible")


def _confirmed(accounts: list[AccountStatus]) -> bool:
    epochs = [account.epoch for account in accounts]
    return len(epochs) == len(USERS) and all(
        epoch is not None and epoch.state is EpochState.COMPLETE and epoch.sent_at is not None for epoch in epochs
    )


def _state(line: VisibleEmail) -> str:
    seen = "read" if "\\Seen" in line.flags else "unread"
    return f"“{line.subject}” is {seen}, in {line.folder}"
