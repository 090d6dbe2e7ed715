"""Which records an email is on: the pure part."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.emails import Attestation, Link, Match
from schemas.mail import Content, Participant, Role
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy
from schemas.threads import (
    ALL_MAIL,
    SENT_FOLDER,
    SENT_LABEL,
    Claim,
    claims_of_links,
    external_records,
    is_sender,
    thread_links,
)
from services.matcher.linking.batch_threads import BatchThreads
from services.matcher.linking.matches import Matches, address_matches, bcc_matches, merged
from services.matcher.linking.rule import Facts
from services.matcher.linking.threads import attestations_of, thread_matches

ACCOUNT = "0" * 24
CARLA, PAUL, ANN = (RecordRef(kind="contact", id=name) for name in ("carla", "paul", "ann"))
LEAD = RecordRef(kind="lead", id="lead")
A, B = "a@firm.example", "b@firm.example"
"""Users."""


def mail(
    name: str, *, to: tuple[str, ...] = (), answers: str | None = None, references: tuple[str, ...] = ()
) -> Content:
    """Return an email from a stranger."""
    people = [Participant(address="stranger@else.example", role=Role.FROM)]
    people += [Participant(address=address, role=Role.TO) for address in to]
    return Content(
        key=f"v1-{name.encode().hex():0>40}",
        message_id=f"{name}@x",
        in_reply_to=answers and f"{answers}@x",
        references=tuple(f"{other}@x" for other in references),
        thread="t",
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        participants=tuple(people),
        raw="",
    )


def on(record: RecordRef, address: str, role: Role = Role.TO) -> Matches:
    """Return the matches of an email that is on one record."""
    return {record: (Match(address=address, role=role),)}


def test_an_email_is_on_every_record_that_it_names_with_every_role() -> None:
    """A record with two addresses in one mail has two matches; two records with one address have one match each."""
    people = (
        Participant(address="c@x.example", role=Role.FROM),
        Participant(address="c@x.example", role=Role.REPLY_TO),
        Participant(address="carla@y.example", role=Role.CC),
        Participant(address="nobody@z.example", role=Role.TO),
    )
    content = mail("1").model_copy(update={"participants": people})
    found = address_matches(content.participants, {"c@x.example": [CARLA, LEAD], "carla@y.example": [CARLA]})
    assert found == {
        CARLA: (
            Match(address="carla@y.example", role=Role.CC),
            Match(address="c@x.example", role=Role.FROM),
            Match(address="c@x.example", role=Role.REPLY_TO),
        ),
        LEAD: (Match(address="c@x.example", role=Role.FROM), Match(address="c@x.example", role=Role.REPLY_TO)),
    }


def test_a_bcc_match_names_the_account_whose_copy_says_so() -> None:
    """No one else may learn of it, so the match names the account."""
    found = bcc_matches(ACCOUNT, ("c@x.example", "who@z.example"), {"c@x.example": [CARLA]})
    assert found == {CARLA: (Match(address="c@x.example", role=Role.BCC, account=ACCOUNT),)}


def test_results_are_joined_without_repetition_in_one_order() -> None:
    """Merging is a union: the order of its parts makes no difference."""
    one, other = on(CARLA, "b@x.example"), {**on(CARLA, "a@x.example"), **on(PAUL, "p@x.example")}
    assert merged(one, other, one) == merged(other, one)
    assert merged(one, other)[CARLA] == (
        Match(address="a@x.example", role=Role.TO),
        Match(address="b@x.example", role=Role.TO),
    )


def test_an_email_is_not_its_own_ancestor() -> None:
    """In-Reply-To and References count together, without duplicates and without the mail itself."""
    assert mail("3", answers="2", references=("1", "2", "3")).ancestors == ("2@x", "1@x")


def sent(address: str) -> Claim:
    """Return what an email that its holder sent says about a record with an address."""
    return Claim(address, sent=True)


def test_the_sender_of_an_email_is_the_owner_of_every_address_in_its_from() -> None:
    """No other role counts, and with two senders both must be the account's own."""
    people = [Participant(address=A, role=Role.FROM), Participant(address=B, role=Role.SENDER)]
    assert is_sender(people, {A})
    assert not is_sender(people, {B})
    assert not is_sender([*people, Participant(address=B, role=Role.FROM)], {A})
    assert not is_sender([], {A})


def test_what_was_sent_is_told_by_the_names_of_the_standards() -> None:
    """RFC 6154's folder roles, as the poller stores them, and Gmail's label."""
    assert (SENT_FOLDER, ALL_MAIL, SENT_LABEL) == ("sent", "all", "\\Sent")


def test_a_thread_with_exactly_one_external_record_takes_the_reply_along() -> None:
    """With a second record, or none, the reply gets no link."""
    carla, paul = {A: {CARLA: sent("c@x.example")}}, {A: {PAUL: sent("p@x.example")}}
    found = thread_links([carla, carla], [A])
    assert found == {A: (CARLA, "c@x.example")}
    assert thread_matches(found) == on(CARLA, "c@x.example", Role.THREAD)
    assert thread_links([carla, paul], [A]) == {}
    assert thread_links([{}], [A]) == {}
    other = {A: {CARLA: Claim("b@x.example", sent=False)}}
    assert thread_links([carla, other], [A]) == {A: (CARLA, "b@x.example")}, "the first address"


def test_received_mail_opens_no_thread_and_can_end_one() -> None:
    """One of the mails must be sent; a received one that names another record makes the thread ambiguous."""
    received = {A: {CARLA: Claim("c@x.example", sent=False)}}
    assert thread_links([received, received], [A]) == {}
    assert thread_links([received, {A: {CARLA: sent("c@x.example")}}], [A]) == {A: (CARLA, "c@x.example")}
    assert thread_links([received, {A: {PAUL: sent("p@x.example")}}], [A]) == {}
    assert thread_links([received, {B: {CARLA: sent("c@x.example")}}], [A, B]) == {B: (CARLA, "c@x.example")}


def test_each_holders_own_mail_is_looked_at_by_itself() -> None:
    """One holder's mail neither opens nor ends a thread for another; users who do not hold the reply do not count."""
    carla, paul = {A: {CARLA: sent("c@x.example")}, B: {CARLA: sent("c@x.example")}}, {B: {PAUL: sent("p@x.example")}}
    assert thread_links([carla, paul], [A, B]) == {A: (CARLA, "c@x.example")}
    assert thread_links([carla, paul], [B]) == {}
    assert thread_links([paul], [A]) == {}
    both = thread_links([{A: {CARLA: sent("c@x.example")}}, paul], [B, A])
    assert thread_matches(both) == {**on(CARLA, "c@x.example", Role.THREAD), **on(PAUL, "p@x.example", Role.THREAD)}
    assert attestations_of(both, PAUL) == (Attestation(owner=B, address="p@x.example"),)


NO_ONE = frozenset[str]().intersection
"""No address is internal."""


def link(
    record: RecordRef, role: Role, owners: tuple[str, ...], *attestations: Attestation, sent_by: tuple[str, ...] = ()
) -> Link:
    """Return a link of an email by one address."""
    match = Match(address="c@x.example", role=role, account=ACCOUNT if role is Role.BCC else None)
    email = "v1-" + "0" * 40
    sent = datetime(2026, 1, 1, tzinfo=UTC)
    return Link(
        id="l",
        email=email,
        record=record,
        sent_at=sent,
        thread="t",
        matches=(match,),
        owners=owners,
        sent_by=sent_by,
        attestations=attestations,
    )


def test_a_stored_email_tells_what_it_names_to_its_holders_and_its_thread_to_those_who_sent_it() -> None:
    """Former holders, Bcc matches and addresses that have become a colleague's do not count."""
    carla = Attestation(owner=A, address="c@x.example")
    assert claims_of_links([link(CARLA, Role.TO, (A, B), sent_by=(A,))], NO_ONE) == {
        A: {CARLA: sent("c@x.example")},
        B: {CARLA: Claim("c@x.example", sent=False)},
    }
    by_thread = link(CARLA, Role.THREAD, (A, B), carla, sent_by=(A, B))
    assert claims_of_links([by_thread], NO_ONE) == {A: {CARLA: sent("c@x.example")}}
    assert claims_of_links([link(CARLA, Role.THREAD, (A, B), carla)], NO_ONE) == {}, "received: anyone can send mail"
    assert claims_of_links([link(CARLA, Role.THREAD, (B,), carla, sent_by=(A,))], NO_ONE) == {}
    assert claims_of_links([link(CARLA, Role.BCC, (A,))], NO_ONE) == {}
    assert claims_of_links([by_thread], {"c@x.example"}.intersection) == {}
    assert claims_of_links([link(CARLA, Role.TO, (A,))], {"c@x.example"}.intersection) == {}
    two = [link(CARLA, Role.THREAD, (A,), carla, Attestation(owner=A, address="b@x.example"), sent_by=(A,))]
    assert claims_of_links(two, NO_ONE) == {A: {CARLA: sent("b@x.example")}}


def test_colleagues_and_bcc_do_not_make_a_thread() -> None:
    """An own address is not external, and a link by thread must not reveal a Bcc."""
    matches = {
        **on(ANN, "ann@firm.example"),
        PAUL: (Match(address="p@x.example", role=Role.BCC, account=ACCOUNT),),
        CARLA: (Match(address="c@x.example", role=Role.TO), Match(address="a@x.example", role=Role.CC)),
        LEAD: (Match(address="l@x.example", role=Role.THREAD),),
    }
    assert external_records(matches, {"ann@firm.example"}.intersection) == {CARLA: "a@x.example"}


def threads(
    mails: list[Content],
    known: dict[str, list[RecordRef]],
    held: dict[str, tuple[str, ...]] | None = None,
    received: tuple[str, ...] = (),
) -> dict[str, Matches]:
    """Return the thread links of each mail, by Message-ID.

    ``held`` names the holders of mails; A holds all others. Holders sent their mails, except the ``received`` ones.
    """
    contents = {content.key: content for content in mails}
    holders = {
        key: (held or {}).get(str(content.message_id).removesuffix("@x"), (A,)) for key, content in contents.items()
    }
    facts = Facts(known=known, company=CompanyPolicy(), accounts={}, ancestors={}, colleagues=frozenset())
    senders = {key: users for key, users in holders.items() if str(contents[key].message_id)[:-2] not in received}
    found = BatchThreads(contents, holders, senders, facts)
    return {str(content.message_id): thread_matches(found.of(key).threads) for key, content in contents.items()}


def test_a_chain_goes_on_for_those_only_who_have_its_mails() -> None:
    """B has the client's mail and the first answer, A has both answers: A's mail says nothing about the second one."""
    chain = [mail("0", to=("c@x.example",)), mail("1", answers="0"), mail("2", answers="1")]
    known = {"c@x.example": [CARLA]}
    linked = on(CARLA, "c@x.example", Role.THREAD)
    assert threads(chain, known, {"0": (B,), "1": (A, B)}) == {"0@x": {}, "1@x": linked, "2@x": {}}
    assert threads(chain, known, {"0": (B,), "1": (A, B), "2": (A, B)})["2@x"] == linked


def test_a_chain_goes_on_through_sent_mail_alone() -> None:
    """Mail that A received and that names no record does not continue the chain; mail that A sent does, and its answer is linked."""
    chain = [mail("0", to=("c@x.example",)), mail("1", answers="0"), mail("2", answers="1")]
    known, linked = {"c@x.example": [CARLA]}, on(CARLA, "c@x.example", Role.THREAD)
    assert threads(chain, known, received=("2",)) == {"0@x": {}, "1@x": linked, "2@x": linked}
    assert threads(chain, known, received=("1",)) == {"0@x": {}, "1@x": linked, "2@x": {}}
    assert threads(chain, known, received=("0",)) == {"0@x": {}, "1@x": {}, "2@x": {}}


def test_a_chain_of_replies_from_unknown_addresses_is_followed_to_the_record() -> None:
    """Each reply refers only to the previous one; a chain of any length is followed without recursion."""
    chain = [mail("0", to=("c@x.example",)), *(mail(str(n), answers=str(n - 1)) for n in range(1, 3000))]
    found = threads(chain[::-1], {"c@x.example": [CARLA]})
    assert found.pop("0@x") == {}
    assert all(link == on(CARLA, "c@x.example", Role.THREAD) for link in found.values())


def test_mails_that_refer_to_one_another_come_to_an_end() -> None:
    """A forged cycle is no thread for anyone."""
    assert threads([mail("1", answers="2"), mail("2", answers="1")], {}) == {"1@x": {}, "2@x": {}}


def test_a_forged_second_mail_with_the_same_message_id_cannot_add_to_a_thread_unseen() -> None:
    """Both emails under one Message-ID count: two records make the thread ambiguous."""
    real, forged = mail("1", to=("c@x.example",)), mail("1", to=("p@x.example",))
    forged = forged.model_copy(update={"key": "v1-" + "f" * 40})
    found = threads([real, forged, mail("2", answers="1")], {"c@x.example": [CARLA], "p@x.example": [PAUL]})
    assert found["2@x"] == {}


@pytest.mark.parametrize("known", [{}, {"c@x.example": [CARLA]}, {"c@x.example": [CARLA], "p@x.example": [PAUL]}])
@settings(deadline=None)
@given(data=st.data())
def test_the_order_of_a_batch_makes_no_difference(known: dict[str, list[RecordRef]], data: st.DataObject) -> None:
    """For any thread without cycles and any order of its mails, the links equal those of a walk from the oldest mail on."""
    count = data.draw(st.integers(1, 8))
    mails = []
    for number in range(count):
        to = data.draw(st.lists(st.sampled_from(["c@x.example", "p@x.example", "u@z.example"]), max_size=1))
        older = data.draw(st.lists(st.sampled_from([str(n) for n in range(number)]), max_size=3)) if number else []
        mails.append(mail(str(number), to=tuple(to), references=tuple(older)))
    expected: dict[str, set[RecordRef]] = {}
    for content in mails:
        records = {record for person in content.participants for record in known.get(person.address, ())}
        if not records:
            records = set().union(*(expected[name] for name in content.references))
            records = records if len(records) == 1 else set()
        expected[str(content.message_id)] = records
    found = threads(data.draw(st.permutations(mails)), known)
    for content in mails:
        linked = set(address_matches(content.participants, known)) | set(found[str(content.message_id)])
        assert linked == expected[str(content.message_id)]
