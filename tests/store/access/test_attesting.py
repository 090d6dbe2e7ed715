"""Who attests a thread now, on given mail and mailboxes, without a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

import pytest

from schemas.accounts import Account
from schemas.emails import Attestation, Link, Match
from schemas.ledger import DELETED_FLAG
from schemas.mail import Participant, Role
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy
from schemas.threads import SENT_LABEL
from services.store.access.attesting import Attesting
from services.store.access.users import Company
from services.store.core.colleagues import Colleagues
from services.store.ledger.folders import Folders
from services.store.ledger.ledger import Ledger
from services.store.ledger.row_views import LiveRow
from services.store.mail.emails import Ancestor, BriefEmail, Emails
from services.store.sync.accounts import Accounts
from tests.factories import INBOX, SENT, account
from tests.store.fixtures import START, key

ANN, BOB, KIM, LOU, JO = (
    "ann@firm.example",
    "bob@firm.example",
    "kim@client.example",
    "lou@law.example",
    "jo@new.example",
)
RECORDS = {KIM: RecordRef(kind="contact", id="1"), LOU: RecordRef(kind="contact", id="2")}
GENERATIONS = 100


class Office:
    """Stands in for everything that is asked: mailboxes, their mail, and its links."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, Account] = {one: account(one) for one in (ANN, BOB)}
        self.emails: dict[str, BriefEmail] = {}
        self.links: dict[str, list[Link]] = {}
        self.rows: list[LiveRow] = []
        self.folders: dict[str, str] = {INBOX: "inbox", SENT: "sent"}
        self.colleagues: set[str] = {ANN, BOB}
        self.company = CompanyPolicy()
        self.unstored: set[str] = set()
        self.asked: list[str] = []

    def mail(
        self, name: str, sender: str, to: str, *answers: str, message_id: str | None = None, about: Sequence[str] = ()
    ) -> str:
        """Store a mail, without copies and links. Links say by its thread that it is about the records of ``about``."""
        people = (Participant(address=sender, role=Role.FROM), Participant(address=to, role=Role.TO))
        ids = tuple(f"{one}@mail" for one in answers)
        self.emails[key(name)] = BriefEmail(key(name), message_id or f"{name}@mail", ids, "t", START, people, not about)
        self.links[key(name)] = []
        return name

    def copy(self, name: str, holder: str, folder: str = INBOX, **fields: Collection[str]) -> None:
        """Put a copy of a mail into a mailbox."""
        of, number = self.mailboxes[holder], len(self.rows)
        row = f"{of.id}.{folder}.{1:010d}.{number:010d}"
        self.rows.append(
            LiveRow.model_validate(
                {"id": row, "account": of.id, "folder": folder, "email": key(name), "internal_date": START, **fields}
            )
        )

    def names(self, name: str, address: str = KIM, *, owners: Sequence[str] = (ANN,), sent: Sequence[str] = ()) -> Link:
        """Link a mail to the record whose address it names."""
        return self._link(name, Match(address=address, role=Role.TO), owners, sent)

    def says(
        self,
        name: str,
        *owners: str,
        address: str = KIM,
        attesting: Sequence[str] | None = None,
        sent: Sequence[str] = (),
    ) -> Link:
        """Link a mail by its thread, as its owners attest."""
        attested = owners if attesting is None else attesting
        return self._link(name, Match(address=address, role=Role.THREAD), owners, sent, attesting=attested)

    def _link(
        self, name: str, match: Match, owners: Sequence[str], sent: Sequence[str], *, attesting: Sequence[str] = ()
    ) -> Link:
        record = RECORDS[match.address]
        link = Link(
            id=f"contact:{record.id}/{key(name)}",
            email=key(name),
            record=record,
            sent_at=START,
            thread="t",
            matches=(match,),
            owners=tuple(owners),
            sent_by=tuple(sent),
            vouchers=tuple(Attestation(owner=one, address=match.address) for one in attesting),
        )
        self.links[key(name)].append(link)
        return link

    async def briefs(self, keys: Iterable[str]) -> dict[str, BriefEmail]:
        """Return emails; each is asked for once only."""
        wanted = sorted(keys)
        assert not set(wanted).intersection(self.asked)
        self.asked += wanted
        return {one: self.emails[one] for one in wanted if one not in self.unstored}

    async def ancestors(self, message_ids: Iterable[str]) -> list[Ancestor]:
        """Return emails by their Message-IDs; each is asked for once only."""
        wanted = sorted(message_ids)
        assert wanted
        assert not set(wanted).intersection(self.asked)
        self.asked += wanted
        return [
            Ancestor(one.key, one.message_id, one.by_thread, tuple(self.links[one.key]))
            for one in self.emails.values()
            if one.message_id in wanted
        ]

    async def copies(self, keys: Iterable[str]) -> dict[str, list[LiveRow]]:
        """Return every copy."""
        return {one: [row for row in self.rows if row.email == one] for one in keys}

    async def of_ids(self, accounts: Iterable[str]) -> dict[str, Account]:
        """Return accounts."""
        return {one.id: one for one in self.mailboxes.values() if one.id in set(accounts)}

    async def roles(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the roles of folders that are known."""
        return {place: self.folders[place[1]] for place in places if place[1] in self.folders}

    async def own_among(self, addresses: Collection[str]) -> frozenset[str]:
        """Return the colleagues."""
        return frozenset(addresses) & self.colleagues

    async def policy(self) -> CompanyPolicy:
        """Return the administrator's policy."""
        self.asked.append("policy")
        return self.company

    async def now(self, *links: Link) -> Mapping[str, frozenset[str]]:
        """Return who attests the threads of links now."""
        self.asked.clear()
        return await Attesting(
            emails=cast("Emails", self),
            ledger=cast("Ledger", self),
            accounts=cast("Accounts", self),
            folders=cast("Folders", self),
            colleagues=cast("Colleagues", self),
            company=cast("Company", self),
        ).now(links)


@pytest.fixture
def office() -> Office:
    """Ann wrote to Kim, and Jo, whom no one knows, answered her."""
    new = Office()
    new.mail("sent", ANN, KIM)
    new.names("sent", owners=(ANN,), sent=(ANN,))
    new.mail("answer", JO, ANN, "sent")
    new.copy("answer", ANN)
    return new


async def attesting(office: Office, link: Link) -> set[str]:
    """Return who attests the thread of one link now."""
    found = await office.now(link)
    assert found.keys() == {link.id}
    return set(found[link.id])


async def test_links_without_attestations_are_left_out(office: Office) -> None:
    """They need none, and nothing is asked for them."""
    office.copy("sent", ANN, SENT)
    (named,) = office.links[key("sent")]
    assert await office.now(named) == {}
    assert office.asked == []
    answered = office.says("answer", ANN)
    assert await office.now(named, answered) == {answered.id: {ANN}}


async def test_only_mail_that_lies_where_sent_mail_does_opens_a_thread(office: Office) -> None:
    """The Sent folder, or Gmail's label for it; a folder that is no Sent folder any more, or unknown, opens none."""
    link = office.says("answer", ANN)
    office.copy("sent", ANN, SENT)
    assert await attesting(office, link) == {ANN}
    for role, holders in (("inbox", set[str]()), ("all", set[str]()), ("sent", {ANN})):
        office.folders[SENT] = role
        assert await attesting(office, link) == holders
    del office.folders[SENT]
    assert await attesting(office, link) == set()
    office.folders[SENT] = "all"
    office.copy("sent", ANN, SENT, labels=(SENT_LABEL,))
    assert await attesting(office, link) == {ANN}


async def test_a_mail_that_is_not_from_the_holders_own_address_opens_none(office: Office) -> None:
    """Even in the Sent folder: users put there what they like."""
    link = office.says("answer", ANN)
    office.mail("sent", "ann@claimed.example", KIM)
    office.names("sent", sent=(ANN,))
    office.copy("sent", ANN, SENT)
    assert await attesting(office, link) == set()


async def test_a_mail_flagged_as_deleted_opens_none_at_once(office: Office) -> None:
    """Unless another copy of it is live."""
    link = office.says("answer", ANN)
    office.copy("sent", ANN, SENT, flags=(DELETED_FLAG,))
    assert await attesting(office, link) == set()
    office.copy("sent", ANN, SENT)
    assert await attesting(office, link) == {ANN}


async def test_a_mail_that_is_nowhere_is_on_its_way(office: Office) -> None:
    """What the links say of it counts meanwhile: also if its links are hidden already, and nothing else speaks."""
    link = office.says("answer", ANN)
    other = office.says("answer", ANN, address=LOU)
    assert await office.now(link, other) == {link.id: {ANN}, other.id: set()}
    office.links[key("sent")] = [one.model_copy(update={"owners": ()}) for one in office.links[key("sent")]]
    assert await office.now(link, other) == {link.id: {ANN}, other.id: set()}
    office.copy("sent", BOB, SENT)
    assert await attesting(office, link) == set(), "it is somewhere else"


async def test_a_mail_on_its_way_does_not_outweigh_one_that_speaks(office: Office) -> None:
    """The holder's other mail, which is there, says that the thread is about someone else, or opens none."""
    office.links[key("sent")] = [one.model_copy(update={"owners": ()}) for one in office.links[key("sent")]]
    office.mail("other", LOU, ANN)
    office.names("other", LOU)
    office.copy("other", ANN)
    office.mail("answer", JO, ANN, "sent", "other")
    link = office.says("answer", ANN, BOB)
    assert await attesting(office, link) == {BOB}, "nothing speaks in Bob's mailbox"


async def test_hidden_links_of_mail_that_is_there_do_not_count(office: Office) -> None:
    """Nor does what names a record and is visible, but was never the holder's."""
    office.copy("sent", ANN)
    office.links[key("sent")] = [one.model_copy(update={"owners": ()}) for one in office.links[key("sent")]]
    link = office.says("answer", ANN)
    assert await attesting(office, link) == set()
    office.rows.pop()
    office.links[key("sent")] = [one.model_copy(update={"owners": (BOB,)}) for one in office.links[key("sent")]]
    assert await attesting(office, link) == set()


async def test_each_holder_attests_by_their_own_mail(office: Office) -> None:
    """Bob's copy of the answer rests on what Bob sent, not on what Ann sent. Only those whom the link names attest."""
    office.copy("sent", ANN, SENT)
    link = office.says("answer", ANN, BOB)
    assert await attesting(office, link) == {ANN}
    office.copy("sent", BOB, SENT)
    office.links[key("sent")] = [one.model_copy(update={"owners": (ANN, BOB)}) for one in office.links[key("sent")]]
    assert await attesting(office, link) == {ANN}, "it is not from Bob"
    office.mail("his", BOB, KIM)
    office.names("his", owners=(BOB,), sent=(BOB,))
    office.copy("his", BOB, SENT)
    office.mail("answer", JO, ANN, "sent", "his")
    assert await attesting(office, office.says("answer", ANN, BOB)) == {ANN, BOB}
    office.links[key("sent")] = [one.model_copy(update={"owners": (ANN,)}) for one in office.links[key("sent")]]
    assert await attesting(office, office.says("answer", ANN, BOB)) == {ANN, BOB}
    assert await attesting(office, office.says("answer", ANN, BOB, attesting=(BOB,))) == {BOB}


async def test_two_records_or_a_colleague_end_a_thread(office: Office) -> None:
    """It is about exactly one external record; received mail can end it, and what a stranger holds cannot."""
    office.copy("sent", ANN, SENT)
    office.mail("other", LOU, ANN)
    office.names("other", LOU, owners=(BOB,))
    office.copy("other", BOB)
    office.mail("answer", JO, ANN, "sent", "other")
    link = office.says("answer", ANN)
    assert await attesting(office, link) == {ANN}
    office.copy("other", ANN)
    office.links[key("other")] = [one.model_copy(update={"owners": (ANN,)}) for one in office.links[key("other")]]
    assert await attesting(office, link) == set()
    rows, office.rows = office.rows, [*office.rows[:-1], office.rows[-1].model_copy(update={"flags": (DELETED_FLAG,)})]
    assert await attesting(office, link) == {ANN}, "the other mail is flagged as deleted"
    office.rows = rows
    office.colleagues.add(LOU)
    assert await attesting(office, link) == {ANN}
    office.company = CompanyPolicy(internal_domains=("client.example",))
    assert await attesting(office, link) == set()


async def test_a_thread_goes_on_through_what_the_holder_sent_in_it(office: Office) -> None:
    """As long as that attests itself: where the first mail is flagged as deleted, the whole thread is closed."""
    office.copy("sent", ANN, SENT)
    office.mail("more", ANN, JO, "sent")
    office.says("more", ANN, sent=(ANN,))
    office.copy("more", ANN, SENT)
    office.mail("last", JO, ANN, "sent", "more")
    link = office.says("last", ANN)
    assert await attesting(office, link) == {ANN}
    office.mail("last", JO, ANN, "more")
    assert await attesting(office, link) == {ANN}
    office.rows = [
        row.model_copy(update={"flags": (DELETED_FLAG,)}) if row.email == key("sent") else row for row in office.rows
    ]
    assert await attesting(office, link) == set()
    assert await attesting(office, office.links[key("more")][0]) == set()


async def test_a_thread_does_not_go_on_through_received_mail(office: Office) -> None:
    """Whoever knows a Message-ID could put received mail between two others. The links say that Ann sent it: she did not."""
    office.copy("sent", ANN, SENT)
    office.says("answer", ANN, sent=(ANN,))
    office.mail("last", JO, ANN, "answer")
    link = office.says("last", ANN)
    assert await attesting(office, link) == set()


async def test_every_link_of_what_is_answered_is_looked_at(office: Office) -> None:
    """A mail can be on one record by what it names, and on another by its thread. Several mails can have one Message-ID."""
    office.copy("sent", ANN, SENT)
    office.mail("more", ANN, LOU, "sent")
    office.names("more", LOU, owners=(ANN,), sent=(ANN,))
    office.says("more", ANN, sent=(ANN,))
    office.copy("more", ANN, SENT)
    office.mail("last", JO, ANN, "more")
    link = office.says("last", ANN)
    assert await attesting(office, link) == set()
    office.colleagues.add(LOU)
    assert await attesting(office, link) == {ANN}
    office.colleagues.remove(LOU)
    office.mail("twice", KIM, ANN, message_id="more@mail")
    office.links[key("more")].pop(0)
    assert await attesting(office, link) == {ANN}
    office.names("twice", LOU)
    office.copy("twice", ANN)
    assert await attesting(office, link) == set()


async def test_a_thread_that_a_colleagues_address_attests_goes_no_further(office: Office) -> None:
    """The address by which the thread was about the record belongs to a user now."""
    office.copy("sent", ANN, SENT)
    office.mail("more", ANN, JO, "sent")
    said = office.says("more", ANN, sent=(ANN,))
    office.links[key("more")] = [said.model_copy(update={"attestations": (Attestation(owner=ANN, address=LOU),)})]
    office.copy("more", ANN, SENT)
    office.mail("last", JO, ANN, "more")
    link = office.says("last", ANN)
    assert await attesting(office, link) == {ANN}
    office.colleagues.add(LOU)
    assert await attesting(office, link) == set()


async def test_mail_without_links_says_nothing(office: Office) -> None:
    """It is on no record: its grace period has not ended yet. Neither has it a say, nor does it fail."""
    office.copy("sent", ANN, SENT)
    office.mail("bare", JO, ANN)
    office.mail("answer", JO, ANN, "sent", "bare")
    assert await attesting(office, office.says("answer", ANN)) == {ANN}


async def test_what_goes_meanwhile_does_no_harm(office: Office) -> None:
    """A mailbox that is purged, and emails that are deleted, between the look at links and at copies."""
    office.copy("sent", ANN, SENT)
    office.copy("sent", BOB, SENT)
    link = office.says("answer", ANN)
    del office.mailboxes[BOB]
    assert await attesting(office, link) == {ANN}
    office.unstored = {key("sent")}
    assert await attesting(office, link) == {ANN}, "as if it were on its way"
    office.unstored = {key("answer")}
    assert await attesting(office, link) == set()


async def test_a_circle_is_forged_and_attests_nothing(office: Office) -> None:
    """Two mails that answer each other."""
    for name, other in (("a", "b"), ("b", "a")):
        office.mail(name, ANN, JO, other)
        office.says(name, ANN, sent=(ANN,))
        office.copy(name, ANN, SENT)
    first, second = office.links[key("a")][0], office.links[key("b")][0]
    assert await office.now(first, second) == {first.id: set(), second.id: set()}


@pytest.mark.parametrize(("length", "far"), [(GENERATIONS - 1, False), (GENERATIONS, True)])
async def test_a_thread_is_followed_so_far_and_no_farther(office: Office, length: int, far: bool) -> None:
    """Where each mail names its parent only. Asking for several links of the thread asks for no mail twice."""
    office.copy("sent", ANN, SENT)
    links = list[Link]()
    for number in range(length + 1):
        name = office.mail(f"m{number}", ANN, JO, f"m{number - 1}" if number else "sent")
        links.append(office.says(name, ANN, sent=(ANN,)))
        office.copy(name, ANN, SENT)
    assert await attesting(office, links[-1]) == (set() if far else {ANN})
    assert await office.now(*links) == {one.id: {ANN} for one in links}
