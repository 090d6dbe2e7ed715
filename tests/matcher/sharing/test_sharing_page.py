"""The examples in docs/sharing.md are true: each is set up with the real matcher and read as each viewer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.accounts import Account, ProofKind
from schemas.addresses import normal_address
from schemas.identity import team_of
from schemas.mail import Participant, Role
from schemas.sharing import CompanyPolicy, Mode, Verdict
from services.store import new_account_id
from tests.matcher.fixtures import World, mail

PAGE = Path(__file__).parents[3] / "docs" / "sharing.md"
USERS = ("anna", "luc", "helen")
CONTACTS = ("kim@client.example", "lou@law.example", "lou@berlin.law.example", "lou@notlaw.example", "luc@firm.example")
ELSEWHERE = "it is not on this page"
THREAD = ", by its thread"
"""It answers a mail that the first holder sent to the page's person."""
RECEIVED = ", by mail received"
"""It answers a mail that the first holder received from that person."""
PRIVATE = " keeps it private"
MARKED = " marked it as deleted"
OTHERS = re.compile(r"^(.*), by (\w+)'s mail$")
"""It answers a mail in the mailbox of a user who does not have it."""


@dataclass(frozen=True)
class Example:
    """A row of the table."""

    holders: str
    company: str
    sender: str
    to: str
    cc: str
    bcc: str
    page: str
    viewer: str
    sees: str
    because: str

    def __str__(self) -> str:
        return f"{self.holders} {self.company} {self.sender} {self.to} {self.cc} {self.bcc} {self.page} {self.viewer}"

    @property
    def verdicts(self) -> set[Verdict]:
        """Return the verdicts that must have decided."""
        return {Verdict(name) for name in re.findall(r"`([a-z-]+)`", self.because)}


def examples() -> list[Example]:
    """Return the rows of the table; each must have every cell."""
    table = PAGE.read_text("utf-8").partition("<!-- examples:begin -->")[2].partition("<!-- examples:end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return [Example(*row) for row in rows]


def user(name: str) -> str:
    """Return a user's address."""
    return f"{name}@firm.example"


def addresses(cell: str) -> list[str]:
    """Return the addresses of a cell in normal form."""
    return [normal_address(part) for part in cell.split(",") if part.strip()]


def company(cell: str) -> CompanyPolicy:
    """Return the company's policy: ``excludes DOMAIN``, ``allows MODE, MODE``, ``owns DOMAIN``, ``opens DOMAIN`` or nothing."""
    word, _, rest = cell.partition(" ")
    names = tuple(part.strip() for part in rest.split(",") if part.strip())
    if word == "allows":
        modes = tuple(Mode(name) for name in names)
        return CompanyPolicy(allowed_modes=modes, default_mode=modes[0])
    if word == "owns":
        return CompanyPolicy(internal_domains=names)
    if word == "opens":
        return CompanyPolicy(internal_domains=names, opened_domains=names)
    assert word in ("", "excludes")
    return CompanyPolicy(excluded_domains=names)


async def connect(world: World, cell: str) -> list[Account]:
    """Connect the mailboxes: ``anna custom without law.example; luc public claims kim@client.example``."""
    accounts = []
    for part in cell.split(";"):
        holder, claim, address = part.partition(" claims " if " claims " in part else " proves ")
        name, mode, *rest = holder.removesuffix(PRIVATE).removesuffix(MARKED).split()
        excluded = rest[1:] if rest[:1] == ["without"] else []
        assert len(excluded) == len(rest[1:])
        if "+" in name:
            accounts.append(await connect_shared(world, [user(one) for one in name.split("+")], Mode(mode)))
            continue
        accounts.append(await world.account(user(name), Mode(mode), excluded=excluded))
        if claim == " claims ":
            await world.store.accounts.save_aliases(accounts[-1].id, addresses(address), by=user(name))
        for one in addresses(address) if claim == " proves " else ():
            await world.store.address_proofs.prove(accounts[-1].id, one, ProofKind.CODE, by=user(name))
    return accounts


async def connect_shared(world: World, members: list[str], mode: Mode) -> Account:
    """Connect sales@firm.example for its members: ``anna+luc private``."""
    number = new_account_id()
    shared = {"id": number, "owner": team_of(number), "members": members}
    return await world.account(user("sales"), mode, **shared)


def test_the_table_has_every_clause() -> None:
    """Every verdict of the rule occurs, positive and negative, and so does each user's view."""
    rows = examples()
    assert {verdict for row in rows for verdict in row.verdicts} == set(Verdict)
    assert {row.sees for row in rows} == {"yes", "no"}
    assert len(rows) == len({str(row) for row in rows})


@pytest.fixture
async def firm(world: World) -> World:
    """Users, and contacts."""
    for name in USERS:
        await world.store.users.add(user(name), admin=name == "helen")
    return world


async def test_every_example_is_true(firm: World) -> None:
    """The reader shows what the table says that a viewer sees, and explain names the verdict that the table gives."""
    for number, row in enumerate(examples()):
        await empty(firm)
        refs = {address: await firm.record(address) for address in CONTACTS}
        await firm.store.sharing.set_company(company(row.company), by=user("helen"))
        accounts = await connect(firm, row.holders)
        page, answers, holder = row.page.removesuffix(THREAD).removesuffix(RECEIVED), None, accounts[0]
        if others := OTHERS.match(row.page):
            page, holder = others[1], await firm.account(user(others[2]))
        if page != row.page:
            answers = f"first-{number}"
            people = (page, holder.address) if row.page.endswith(RECEIVED) else (holder.address, page)
            await firm.match(await firm.copy(holder, mail(answers, *people)))
        (sender,) = addresses(row.sender)
        content = mail(f"example-{number}", sender, *addresses(row.to), cc=addresses(row.cc), answers=answers)
        assert all(Participant.model_validate(one).role is not Role.BCC for one in content.participants)
        copies = [
            await firm.copy(account, content, bcc=addresses(row.bcc) if account.address == sender else ())
            for account in accounts
        ]
        await firm.match(*copies)
        for holder_cell, account, copy in zip(row.holders.split(";"), accounts, copies, strict=True):
            if holder_cell.endswith(MARKED):
                await firm.flag(copy.source.id)
                await firm.announce_gone(copy.source.id)
            if holder_cell.endswith(PRIVATE):
                assert await firm.store.withdrawing.keep_private(content.key, by=account.holders[0]) == 1
        await firm.rest()
        viewer, ref = user(row.viewer), refs[page]
        shown = {line.email for line in (await firm.store.reading.visible_emails(viewer, ref)).emails}
        assert (content.key in shown) is (row.sees == "yes"), row
        # Viewers may know why they see it. A "no" is explained to the operator, but never with a Bcc: only its copy's owner learns of it.
        asker = viewer if row.sees == "yes" else None
        told = await firm.store.explaining.explain(viewer, ref, content.key, asked_by=asker)
        decided = {line.decision.verdict for line in told.lines}
        if row.because == ELSEWHERE:
            assert not told.visible
            assert not decided
        elif row.sees == "yes":
            assert told.visible
            assert {verdict for verdict in decided if verdict.grants} == row.verdicts, row
        else:
            assert not told.visible
            assert decided == row.verdicts - {Verdict.BCC}, row


async def empty(world: World) -> None:
    """Start again with the same users."""
    for name in ("accounts", "folders", "ledger", "emails", "links", "addresses", "debts", "settings", "withdrawals"):
        await world.database[name].delete_many({})
    await world.crm["contacts"].delete_many({})
    for everything in (world.accounts, world.records, world.mails, world.copies):
        everything.clear()
