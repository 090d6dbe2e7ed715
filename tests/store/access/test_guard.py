"""The guard on given facts, without a database: which links it decides on, by what, and what a viewer may know of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

import pytest

from schemas.accounts import Account, User
from schemas.emails import Attestation, Link, Match
from schemas.identity import team_of
from schemas.mail import Role
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, CopyDecision, Decision, Mode, SharingPolicy, Verdict
from services.store.access.copies import Copies, SharingFacts
from services.store.access.guard import Guard, LinkDecision, redacted
from services.store.access.rights import RecordRights
from services.store.access.teams import ActiveViewer, Teams
from services.store.access.users import Users
from services.store.core.documents import now
from services.store.ledger.row_views import LiveRow
from tests.factories import account
from tests.store.fixtures import START

ANN, BOB, KIM, LOU = "ann@firm.example", "bob@firm.example", "kim@client.example", "lou@law.example"
RECORD = RecordRef(kind="contact", id="1")
KEY, OTHER = f"v1-{'1' * 40}", f"v1-{'2' * 40}"


def user(email: str, *teams: str) -> ActiveViewer:
    """Return a user."""
    return ActiveViewer(email=email, created_at=now(), owners=frozenset({email, *teams}))


def link(email: str = KEY, *matches: Match) -> Link:
    """Return a link whose stored grants are wrong, so that no decision may use them."""
    reasons = matches or (Match(address=KIM, role=Role.FROM),)
    return Link(
        id=f"contact:1/{email}",
        email=email,
        record=RECORD,
        sent_at=START,
        thread="t",
        matches=reasons,
        owners=(BOB,),
        shared_by=("f" * 24,),
    )


def row(of: Account, number: int, *bcc: str, email: str = KEY) -> LiveRow:
    """Return a live copy."""
    name = f"{of.id}.{'0' * 12}.{1:010d}.{number:010d}"
    return LiveRow(id=name, account=of.id, folder="0" * 12, email=email, bcc=bcc, internal_date=START)


class Known:
    """Stands in for ``Copies``, ``Users`` and ``RecordRights``. No user may read the records in ``closed``."""

    def __init__(self, facts: SharingFacts) -> None:
        self._facts = facts
        self.asked: list[set[str]] = []
        self.closed: set[RecordRef] = set()

    async def facts(self, keys: Collection[str], links: Iterable[Link]) -> SharingFacts:
        """Return the evidence."""
        self.asked.append(set(keys))
        return self._facts

    async def active(self, email: str) -> ActiveViewer:
        """Return a user."""
        return user(email)

    async def viewer(self, found: ActiveViewer) -> ActiveViewer:
        """Return a user as one who reads."""
        return found

    async def readable(self, _: User, records: Collection[RecordRef]) -> frozenset[RecordRef]:
        """Return those of the records that a user may read."""
        return frozenset(records) - self.closed


def known(
    accounts: list[Account],
    rows: list[LiveRow],
    people: dict[str, set[str]] | None = None,
    attesting: Collection[str] = (ANN, BOB),
) -> Known:
    """Return the facts about these copies."""
    held: dict[str, list[LiveRow]] = {}
    for one in rows:
        held.setdefault(one.email, []).append(one)
    participants = {key: frozenset(names) for key, names in (people or {KEY: {KIM, ANN}}).items()}
    return Known(
        SharingFacts(
            held,
            {one.id: one for one in accounts},
            participants,
            frozenset(),
            frozenset(),
            CompanyPolicy(),
            {link().id: frozenset(attesting)},
        )
    )


def guard(facts: Known) -> Guard:
    """Return a guard on these facts."""
    return Guard(cast("Users", facts), cast("Teams", facts), cast("Copies", facts), cast("RecordRights", facts))


async def decided(facts: Known, viewer: str, *links: Link) -> list[LinkDecision]:
    """Return the guard's decisions on links."""
    return await guard(facts).decide(user(viewer), links)


async def test_what_links_say_is_not_trusted() -> None:
    """The stored owners and accounts are wrong on purpose: live copies and current policies decide."""
    private = account(ANN, mode=Mode.PRIVATE)
    facts = known([private], [row(private, 1)])
    (mine,), (his,) = await decided(facts, ANN, link()), await decided(facts, BOB, link())
    assert (mine.visible, his.visible) == (True, False)
    assert [line.decision.verdict for line in his.lines] == [Verdict.MODE_PRIVATE]
    assert facts.asked == [{KEY}, {KEY}]


async def test_links_of_emails_that_are_not_stored_are_left_out() -> None:
    """The other decisions keep their order."""
    mine = account(ANN)
    facts = known([mine], [row(mine, 1), row(mine, 2, email=OTHER)], {OTHER: {KIM}})
    found = await decided(facts, ANN, link(KEY), link(OTHER))
    assert [one.link.email for one in found] == [OTHER]
    both = known([mine], [row(mine, 1), row(mine, 2, email=OTHER)], {KEY: {KIM}, OTHER: {KIM}})
    assert [one.link.email for one in await decided(both, ANN, link(OTHER), link(KEY))] == [OTHER, KEY]


async def test_copies_of_purged_accounts_count_for_nothing() -> None:
    """A row without an account is not a copy."""
    gone, mine = account(BOB), account(ANN, mode=Mode.PRIVATE)
    (found,) = await decided(known([mine], [row(gone, 1), row(mine, 2)]), BOB, link())
    assert not found.visible
    assert [one.account for one in found.rows] == [mine.id]


async def test_a_viewer_knows_of_granting_copies_only() -> None:
    """The viewer may know of copies that grant, in every folder: of one account, only those with the granting Bcc."""
    public, private = account(ANN), account("eve@firm.example", mode=Mode.PRIVATE)
    rows = [row(public, 1), row(private, 2), row(public, 3)]
    (found,) = await decided(known([public, private], rows), BOB, link())
    assert [(one.id, of.id) for one, of in found.copies()] == [(rows[0].id, public.id), (rows[2].id, public.id)]
    assert [line.copy_of.account for line in found.granting] == [public.id]
    assert len(found.lines) == 2
    (own,) = await decided(known([public, private], rows), "eve@firm.example", link())
    assert {of.id for _, of in own.copies()} == {public.id, private.id}


async def test_holders_that_the_email_does_not_name_stay_unnamed() -> None:
    """A colleague who was in Bcc, or only on a list, is known to themselves only."""
    named, unnamed = account(ANN), account(BOB)
    facts = known([named, unnamed], [row(named, 1), row(unnamed, 2)], {KEY: {KIM, ANN}})
    for viewer, holders in (("eve@firm.example", [ANN]), (ANN, [ANN]), (BOB, [ANN, BOB])):
        (found,) = await decided(facts, viewer, link())
        assert found.named == {named.id}
        assert [of.owner for _, of in found.copies()] == [ANN, BOB]
        assert [of.owner for _, of in found.known_copies(user(viewer))] == holders


async def test_copies_of_one_account_are_distinguished_by_their_bcc() -> None:
    """A copy with the Bcc grants its owner. The same owner's copy without it is no reason for the link."""
    mine, other = account(ANN), account(BOB)
    match = Match(address=LOU, role=Role.BCC, account=mine.id)
    rows = [row(mine, 1, LOU), row(other, 2, LOU)]
    (found,) = await decided(known([mine, other], rows, {KEY: {KIM}}), ANN, link(KEY, match))
    assert [one.id for one, _ in found.copies()] == [rows[0].id]
    (his,) = await decided(known([mine, other], rows, {KEY: {KIM}}), BOB, link(KEY, match))
    assert not his.visible
    assert his.copies() == []


async def test_a_bcc_does_not_make_internal_mail_external() -> None:
    """Internal mail with an external Bcc is shared with no one, because that would reveal the Bcc."""
    policy = SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("firm.example",))
    mine = account(ANN).model_copy(update={"sharing": policy})
    rows = [row(mine, 1), row(mine, 2, LOU)]
    thread = Match(address=KIM, role=Role.THREAD)
    attested = link(KEY, thread).model_copy(update={"attestations": (Attestation(owner=ANN, address=KIM),)})
    (found,) = await decided(known([mine], rows, {KEY: {ANN, BOB}}), "eve@firm.example", attested)
    assert {line.decision.verdict for line in found.lines} == {Verdict.INTERNAL_ONLY}
    assert found.copies() == []


async def test_a_thread_that_no_mailbox_opens_now_shows_nothing_not_even_to_holders() -> None:
    """What a link says of its thread counts only while someone who holds a copy attests it."""
    mine, other = account(ANN), account(BOB)
    attested = link(KEY, Match(address=KIM, role=Role.THREAD)).model_copy(
        update={"attestations": (Attestation(owner=ANN, address=KIM), Attestation(owner=BOB, address=KIM))}
    )
    facts = known([mine, other], [row(other, 1)], {KEY: {LOU, BOB}})
    assert [one.visible for viewer in (ANN, BOB) for one in await decided(facts, viewer, attested)] == [True, True]
    closed = known([mine, other], [row(other, 1)], {KEY: {LOU, BOB}}, {ANN})  # Ann holds no copy
    for viewer in (ANN, BOB):
        (found,) = await decided(closed, viewer, attested)
        assert not found.visible
        assert [line.decision.verdict for line in found.lines] == [Verdict.THREAD_NOT_ATTESTED]


async def test_a_member_holds_the_copies_of_a_shared_mailbox() -> None:
    """Each member sees them as their own, Bcc and a private mailbox included. For others the mailbox is a holder like any other."""
    shared = account("sales@firm.example", Mode.PRIVATE, owner=team_of("t"), members=(ANN, BOB))
    facts = known([shared], [row(shared, 1, LOU)], {KEY: {KIM, LOU}})
    for viewer, verdict in ((user(ANN, team_of("t")), Verdict.OWN_COPY), (user(BOB), Verdict.MODE_PRIVATE)):
        (found,) = await guard(facts).decide(viewer, [link()])
        (line,) = found.lines
        assert (line.decision.verdict, found.visible) == (verdict, verdict is Verdict.OWN_COPY)
        assert [of.holder_name for _, of in found.known_copies(viewer)] == [shared.address] * found.visible
        assert redacted(line, viewer.owners).copy_of.bcc == ((LOU,) if found.visible else ())


async def test_a_record_that_may_not_be_read_shows_nothing() -> None:
    """A viewer who may not read a record sees no mail on it, not even their own, but may see it on another record."""
    mine = account(ANN)
    other = RecordRef(kind="lead", id="2")
    there = link().model_copy(update={"id": f"lead:2/{KEY}", "record": other})
    facts = known([mine], [row(mine, 1)])
    facts.closed = {RECORD}
    found = await decided(facts, ANN, link(), there)
    assert [one.link.record for one in found] == [other]
    readable = [await guard(facts).may_read(user(ANN), record) for record in (RECORD, other)]
    assert readable == [False, True]


async def test_the_viewer_is_looked_up() -> None:
    """The viewer must be a user."""
    assert (await guard(known([], [])).viewer(ANN)).email == ANN


@pytest.mark.parametrize("viewer", [ANN, BOB])
def test_a_line_reveals_less_to_others(viewer: str) -> None:
    """The copy's owner gets the whole line. Others get it without Bcc and excluded domains, otherwise unchanged."""
    policy = SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("law.example",))
    mine = account(ANN).model_copy(update={"sharing": policy})
    whole = CopyDecision(
        copy_of=mine.live_copy((LOU,)),
        match={"address": KIM, "role": Role.FROM},
        decision=Decision(verdict=Verdict.SHARED),
    )
    told = redacted(whole, {viewer})
    if viewer == ANN:
        assert told is whole
        return
    assert told.copy_of.bcc == ()
    assert told.copy_of.policy == SharingPolicy(mode=Mode.CUSTOM)
    assert (told.copy_of.account, told.copy_of.owner) == (mine.id, ANN)
    assert (told.match, told.decision) == (whole.match, whole.decision)
