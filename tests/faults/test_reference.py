"""The reference implements the design and shares no code with the services."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from testbed.chaos.proof.expected import ExpectedState, Mailowner
from testbed.chaos.proof.reference import work_out
from tests.faults.evidence import INBOX, RECORDS, SENT, VIEWERS, company, held, mail, truth_of

ROOT = Path(__file__).parents[2]
INDEPENDENT = ("reader", "reference", "stored", "verdict", "findings", "owed", "mailbox", "observer")


@pytest.mark.parametrize("module", INDEPENDENT)
def test_the_checkers_share_no_code_with_the_services(module: str) -> None:
    """No module that decides what is right imports the services or the schemas."""
    tree = ast.parse((ROOT / "testbed" / "chaos" / "proof" / f"{module}.py").read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in names if name.split(".")[0] in {"services", "schemas"}}


def test_a_copy_is_relevant_by_its_people_its_own_bcc_or_its_thread() -> None:
    """Attached are copies that name a record, that have one in their own Bcc, or that answer mail of one record."""
    copies = company()
    states = truth_of(copies).states
    assert [states[each.copy] for each in copies] == [
        "attached", "attached", "attached", "attached", "unmatched", "attached", "attached",
    ]  # fmt: skip


def test_public_mail_is_shared_and_private_mail_is_its_holders() -> None:
    """The offer is shared by the public copy; the answer to the lawyer is in a private mailbox only."""
    copies = company()
    offer, answer, lawyer = (copies[number].mail.identity for number in (0, 5, 6))
    visible = truth_of(copies).visible
    assert visible["dee@own.example", "lead:1"] == {offer}
    assert visible["bo@own.example", "contact:2"] == {answer, lawyer}
    assert answer not in visible.get(("dee@own.example", "contact:2"), set())
    private = truth_of([copies[1]]).visible
    assert private.get(("dee@own.example", "lead:1"), set()) == set()
    assert private["bo@own.example", "lead:1"] == {offer}


def test_a_holder_whom_the_mail_does_not_name_is_known_to_himself_only() -> None:
    """Bo shares nothing. Cy got the offer by Bcc: neither is named to others, and each is to himself."""
    offer = mail("1@x", "ana@own.example", "kim@client.example", cc="bo@own.example")
    copies = [held("a", SENT, 1, offer), held("b", INBOX, 1, offer), held("c", INBOX, 1, offer)]
    holders, identity = truth_of(copies).holders, copies[0].mail.identity
    assert holders["dee@own.example", identity] == holders["ana@own.example", identity] == {"ana@own.example"}
    assert holders["cy@own.example", identity] == {"ana@own.example", "cy@own.example"}
    assert truth_of(copies[2:]).holders["dee@own.example", identity] == frozenset()


def test_each_member_of_a_team_is_a_holder() -> None:
    """Ana and Dee see the team's private mail, its Bcc and its threads; to others, the mailbox's address stands for them."""
    office = "office@own.example"
    team = Mailowner(
        "the team", frozenset({office}), frozenset({office}), "private", (), frozenset(VIEWERS[::3]), office
    )
    offer = mail("1@x", office, "lex@law.example", bcc="pat@client.example")
    answer = mail("2@x", "assistant@far.example", office, answers="1@x")
    copies = [held("t", SENT, 1, offer), held("t", INBOX, 2, answer)]
    both = {each.mail.identity for each in copies}

    def truth(of: Mailowner) -> ExpectedState:
        return work_out(copies, records=RECORDS, accounts={"t": of}, viewers=VIEWERS, excluded=())

    private, public = truth(team), truth(team._replace(mode="public"))
    for member in VIEWERS[::3]:
        assert private.visible[member, "contact:2"] == both
        assert private.bcc[member, copies[0].mail.identity] == {"pat@client.example"}
        assert private.holders[member, copies[0].mail.identity] == {office}
    assert ("bo@own.example", "contact:2") not in private.visible
    assert public.visible["bo@own.example", "contact:2"] == both
    assert public.holders["bo@own.example", copies[0].mail.identity] == {office}
    assert ("bo@own.example", copies[0].mail.identity) not in public.bcc
    assert private.links["contact:2", copies[0].mail.identity].owners == {"the team"}


def test_a_thread_of_two_records_is_on_neither() -> None:
    """A reply from an unknown address to mail that is on two records is on none."""
    offer = mail("1@x", "ana@own.example", "kim@client.example")
    answer = held("a", INBOX, 1, mail("2@x", "assistant@far.example", "ana@own.example", answers="1@x"))
    truth = truth_of([held("a", SENT, 1, offer), answer])
    assert truth.states[answer.copy] == "unmatched"


def test_a_thread_with_one_record_passes_it_on() -> None:
    """A reply from an unknown address, and the reply to that, are on the thread's record; among colleagues it ends."""
    first = mail("1@x", "ana@own.example", "lex@law.example")
    second = mail("2@x", "assistant@far.example", "ana@own.example", answers="1@x")
    third = mail("3@x", "ana@own.example", "assistant@far.example", answers="1@x")
    fourth = mail("5@x", "assistant@far.example", "ana@own.example", answers="3@x")
    inside = mail("4@x", "ana@own.example", "bo@own.example", answers="3@x")
    places = ((SENT, first), (INBOX, second), (SENT, third), (INBOX, inside), (INBOX, fourth))
    copies = [held("a", folder, uid, raw) for uid, (folder, raw) in enumerate(places, 1)]
    links = truth_of(copies).links
    assert [{record for record, identity in links if identity == each.mail.identity} for each in copies] == [
        {"contact:2"}, {"contact:2"}, {"contact:2"}, set(), {"contact:2"},
    ]  # fmt: skip


def test_what_one_has_says_nothing_about_mail_that_others_have() -> None:
    """The answered mail is in a colleague's mailbox: for that colleague it makes a thread, for others it neither makes nor ends one."""
    offer, forged = (
        mail("1@x", "bo@own.example", "lex@law.example"),
        mail("1@x", "pat@client.example", "cy@own.example"),
    )
    answer = mail("2@x", "assistant@far.example", "ana@own.example", cc="bo@own.example", answers="1@x")
    further = mail("3@x", "ana@own.example", "assistant@far.example", answers="2@x")
    hers, on = held("a", INBOX, 1, answer), held("a", SENT, 2, further)
    stubs = [held("b", SENT, 1, offer), held("c", INBOX, 1, forged)]
    assert truth_of([hers, on, *stubs]).states[hers.copy] == "unmatched"
    both = truth_of([hers, on, *stubs, held("b", INBOX, 2, answer)])
    assert {record for record, identity in both.links if identity == hers.mail.identity} == {"contact:2"}
    assert both.states[hers.copy] == "unmatched", "her own mailbox says nothing of a record"
    assert both.states[on.copy] == "unmatched", "in her own mail the thread concerns no record"


def test_excluded_domains_bcc_and_internal_mail_share_nothing() -> None:
    """A lawyer's mail in a mailbox that excludes the lawyer, a blind copy, and mail among colleagues are visible to their holders only."""
    lawyer = held("c", INBOX, 1, mail("1@x", "lex@law.example", "cy@own.example"))
    blind = held("a", SENT, 1, mail("2@x", "ana@own.example", "far@far.example", bcc="pat@client.example"))
    inside = held("a", INBOX, 1, mail("3@x", "desk@own.example", "ana@own.example"))
    truth = truth_of([lawyer, blind, inside])
    assert {name for name, link in truth.links.items() if link.shared_by} == set()
    assert truth.visible["cy@own.example", "contact:2"] == {lawyer.mail.identity}
    assert truth.visible["ana@own.example", "contact:4"] == {blind.mail.identity}
    assert truth.visible["ana@own.example", "contact:3"] == {inside.mail.identity}
    beside = held("a", INBOX, 2, mail("4@x", "kim@client.example", "ana@own.example", cc="desk@own.example"))
    shared = truth_of([beside]).links
    assert shared["lead:1", beside.mail.identity].shared_by == {"a"}
    assert shared["contact:3", beside.mail.identity].shared_by == frozenset(), "excluded is per link"
