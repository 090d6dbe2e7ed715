"""The checkers can fail: any damage to a correct end state is found, under the right name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.chaos.proof.expected import RecordLink
from testbed.chaos.proof.findings import DOUBLED, EARLY, LOST, UNFINISHED_WORK, Evidence
from testbed.chaos.proof.observer import Completion
from testbed.chaos.proof.reader import ServerCopy
from testbed.chaos.proof.stored import AttentionMail, Confirmation, StoredEpoch
from testbed.chaos.proof.verdict import judge
from testbed.chaos.report import last_line
from testbed.chaos.scenario import Result
from tests.faults.evidence import INBOX, clean, held, mail, truth_of

OFFER, LAWYER, BLIND = "v1-1@x", "v1-3@x", "v1-2@x"
Spoil = Callable[[Evidence], Evidence]


def stored(evidence: Evidence, **fields: Any) -> Evidence:
    """Return the evidence with a change in what is stored."""
    return evidence._replace(stored=evidence.stored._replace(**fields))


def row(number: int, **fields: Any) -> Spoil:
    """Return a change of a row."""

    def spoil(evidence: Evidence) -> Evidence:
        rows = list(evidence.stored.rows)
        rows[number] = rows[number]._replace(**fields)
        return stored(evidence, rows=rows)

    return spoil


def link(record: str, key: str, **fields: Any) -> Spoil:
    """Return a change or removal of a link."""

    def spoil(evidence: Evidence) -> Evidence:
        links = dict(evidence.stored.links)
        links[record, key] = links[record, key]._replace(**fields)
        if not fields:
            del links[record, key]
        return stored(evidence, links=links)

    return spoil


def view(viewer: str, record: str, change: Callable[[list[str]], list[str]]) -> Spoil:
    """Return a change of what a viewer sees of a record."""

    def spoil(evidence: Evidence) -> Evidence:
        emails = {name: list(keys) for name, keys in evidence.seen.emails.items()}
        emails[viewer, record] = change(emails[viewer, record])
        return evidence._replace(seen=evidence.seen._replace(emails=emails))

    return spoil


def early_row(evidence: Evidence) -> Evidence:
    """A row became final only after the backfill was complete."""
    final = {**evidence.observed.final, evidence.stored.rows[0].id: 101}
    return evidence._replace(observed=evidence.observed._replace(final=final))


def early_mail(evidence: Evidence) -> Evidence:
    """A confirmation was claimed before the backfill was complete."""
    complete = {**evidence.observed.complete, ("a", 1): Completion(100, 1002.0)}
    return evidence._replace(observed=evidence.observed._replace(complete=complete))


def unseen_row(evidence: Evidence) -> Evidence:
    """A message that existed had no row before the backfill was complete."""
    final = dict(evidence.observed.final)
    del final[evidence.stored.rows[3].id]
    return evidence._replace(observed=evidence.observed._replace(final=final))


def second_row(evidence: Evidence) -> Evidence:
    """A copy has two rows."""
    first = evidence.stored.rows[0]
    return stored(evidence, rows=[*evidence.stored.rows, first._replace(id=f"{first.id}.again")])


def second_email(evidence: Evidence) -> Evidence:
    """The two copies of one mail are two emails."""
    rows = list(evidence.stored.rows)
    rows[1] = rows[1]._replace(email="v1-other")
    return stored(evidence, rows=rows, emails={**evidence.stored.emails, "v1-other": None})


def wrong_link(evidence: Evidence) -> Evidence:
    """An email is on a record that it does not name."""
    new = RecordLink(frozenset({("desk@own.example", "to", "")}), frozenset({"ana@own.example"}), frozenset())
    return stored(evidence, links={**evidence.stored.links, ("contact:3", OFFER): new})


def confirmation(*mails: Confirmation) -> Spoil:
    """Return a change that adds confirmations."""
    return lambda evidence: evidence._replace(confirmations=[*evidence.confirmations, *mails])


def bcc_of_another(evidence: Evidence) -> Evidence:
    """A viewer is shown the Bcc of a colleague's copy."""
    return evidence._replace(
        seen=evidence.seen._replace(bcc={("bo@own.example", BLIND): frozenset({"pat@client.example"})})
    )


def holders_of_offer(*owners: str) -> Spoil:
    """Return a change of who a viewer reads has an email."""

    def spoil(evidence: Evidence) -> Evidence:
        named = {**evidence.seen.holders, ("dee@own.example", OFFER): frozenset(owners)}
        return evidence._replace(seen=evidence.seen._replace(holders=named))

    return spoil


def account(**fields: Any) -> Spoil:
    """Return a change of the account that was blocked once."""

    def spoil(evidence: Evidence) -> Evidence:
        accounts = [each._replace(**fields) if each.id == "b" else each for each in evidence.stored.accounts]
        return stored(evidence, accounts=accounts)

    return spoil


def resync(*, number: int, order: int) -> Spoil:
    """Return a second backfill of an account, which was observed to be complete."""

    def spoil(evidence: Evidence) -> Evidence:
        complete = {**evidence.observed.complete, ("a", number): Completion(order, 1000.0)}
        return stored(
            evidence._replace(
                asked=[*evidence.asked, evidence.asked[0]._replace(last=1)],
                observed=evidence.observed._replace(complete=complete),
                confirmations=[*evidence.confirmations, Confirmation(f"<sync.a.{number}@x>", "a", number, 1002.0)],
            ),
            epochs=[*evidence.stored.epochs, StoredEpoch("a", number, "complete", "sent")],
        )

    return spoil


def test_a_correct_state_has_no_findings() -> None:
    """The evidence of a company without faults leads to no finding, so each finding below comes from its damage."""
    assert judge(clean()) == []


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        pytest.param(LOST, lambda each: stored(each, rows=each.stored.rows[1:]), id="a lost row"),
        pytest.param(LOST, row(0, state="unmatched"), id="a relevant mail that is not attached"),
        pytest.param(LOST, row(0, state="skipped", reason="withheld"), id="a mail that was skipped"),
        pytest.param(LOST, row(0, state="quarantined"), id="a quarantined row without its dead letter"),
        pytest.param(LOST, row(1, flags=frozenset({"\\Seen"})), id="a flag that the server does not have"),
        pytest.param(LOST, lambda each: stored(each, emails={}), id="emails that are gone"),
        pytest.param(LOST, link("lead:1", OFFER), id="a lost link"),
        pytest.param(LOST, link("lead:1", OFFER, shared_by=frozenset()), id="a link that is not shared"),
        pytest.param(LOST, view("dee@own.example", "lead:1", lambda _: []), id="mail that a viewer does not see"),
        pytest.param(LOST, lambda each: each._replace(confirmations=each.confirmations[1:]), id="a lost confirmation"),
        pytest.param(LOST, lambda each: stored(each, epochs=each.stored.epochs[1:]), id="a lost backfill"),
        pytest.param(LOST, lambda each: stored(each, counts={**each.stored.counts, "lead:1": 0}), id="a count too low"),
        pytest.param(DOUBLED, second_row, id="two rows for a message"),
        pytest.param(DOUBLED, second_email, id="one mail as two emails"),
        pytest.param(DOUBLED, row(4, state="attached", email="v1-4@x"), id="a private mail that is attached"),
        pytest.param(DOUBLED, lambda each: each._replace(held=each.held[1:]), id="a row whose message is gone"),
        pytest.param(
            DOUBLED,
            lambda each: stored(each, emails={**each.stored.emails, "v1-9": None}),
            id="an email without an owner",
        ),
        pytest.param(DOUBLED, wrong_link, id="a wrong link"),
        pytest.param(
            DOUBLED,
            link("contact:2", LAWYER, owners=frozenset({"cy@own.example", "bo@own.example", "ana@own.example"})),
            id="an owner who has no copy",
        ),
        pytest.param(
            DOUBLED,
            view("dee@own.example", "contact:2", lambda _: [LAWYER]),
            id="mail of an excluded domain that is seen",
        ),
        pytest.param(DOUBLED, view("ana@own.example", "lead:1", lambda keys: keys * 2), id="mail that is listed twice"),
        pytest.param(DOUBLED, bcc_of_another, id="the Bcc of another's copy"),
        pytest.param(
            DOUBLED, holders_of_offer("ana@own.example", "cy@own.example"), id="a holder whom the mail does not name"
        ),
        pytest.param(LOST, holders_of_offer(), id="a holder who is not shown"),
        pytest.param(DOUBLED, confirmation(Confirmation("<sync.a.1@y>", "a", 1, 1002.0)), id="a second confirmation"),
        pytest.param(EARLY, early_row, id="complete before a row was final"),
        pytest.param(EARLY, unseen_row, id="complete before a message had a row"),
        pytest.param(EARLY, early_mail, id="a confirmation before the backfill was complete"),
        pytest.param(UNFINISHED_WORK, row(0, state="planned"), id="a planned row"),
        pytest.param(UNFINISHED_WORK, row(0, state="published"), id="a published row"),
        pytest.param(UNFINISHED_WORK, lambda each: stored(each, pending_work=1), id="pending work"),
        pytest.param(
            UNFINISHED_WORK, lambda each: stored(each, dead=["a.Sent.1"]), id="a dead letter of a row that goes on"
        ),
        pytest.param(
            UNFINISHED_WORK,
            lambda each: stored(
                each, epochs=[each.stored.epochs[0]._replace(notification="due"), *each.stored.epochs[1:]]
            ),
            id="a confirmation that is due",
        ),
        pytest.param(
            LOST,
            lambda each: each._replace(asked=[*each.asked, each.asked[0]._replace(last=1)]),
            id="a backfill that was asked for and never came",
        ),
        pytest.param(DOUBLED, resync(number=3, order=200), id="an unrequested backfill"),
        pytest.param(EARLY, resync(number=2, order=1), id="a second backfill complete before a row was final"),
        pytest.param(UNFINISHED_WORK, account(state="paused"), id="an account that was resumed and is paused"),
        pytest.param(UNFINISHED_WORK, account(state="blocked"), id="an account that stays blocked"),
        pytest.param(UNFINISHED_WORK, account(resync_requested=True), id="a backfill that is waited for"),
        pytest.param(DOUBLED, account(incident=2), id="blocked twice for one changed password"),
        pytest.param(DOUBLED, account(incident=0), id="a mail about trouble that there was not"),
        pytest.param(
            DOUBLED,
            lambda each: each._replace(attentions=[*each.attentions, AttentionMail("<attention.b.1@y>", "b", 1)]),
            id="a second mail about one trouble",
        ),
        pytest.param(LOST, lambda each: each._replace(unnotified=["b"]), id="an owner who was not notified"),
        pytest.param(LOST, lambda each: each._replace(unshown=["b"]), id="tokens that end and nobody sees it"),
        pytest.param(DOUBLED, lambda each: each._replace(leaked=["e on r"]), id="mail that a former member still sees"),
        pytest.param(UNFINISHED_WORK, account(trouble="unavailable"), id="a trouble that stays shown"),
    ],
)
def test_damage_is_found(kind: str, spoil: Spoil) -> None:
    """Each planted fault is reported under its name, and the last line counts it."""
    findings = judge(spoil(clean()))
    assert kind in {finding.kind for finding in findings}
    result = Result(1, "everything", 1, findings=findings)
    assert f"{kind} 0" not in last_line([result])


def test_a_requested_second_backfill_is_right() -> None:
    """A resynchronized mailbox has another confirmation, which is no fault."""
    assert judge(resync(number=2, order=200)(clean())) == []


def test_a_confirmation_sent_twice_counts_once() -> None:
    """The same Message-ID twice, as after a crash at the last step, is no second confirmation."""
    again = clean().confirmations[0]._replace(taken=1005.0)
    assert judge(confirmation(again)(clean())) == []


def test_mail_deleted_before_it_was_seen_is_not_early() -> None:
    """A mail that was deleted before it was enumerated is no finding."""
    evidence = clean()
    first = evidence.asked[0]._replace(there=evidence.asked[0].there | {ServerCopy("a", INBOX, 7, 99)})
    assert judge(evidence._replace(asked=[first, *evidence.asked[1:]])) == []


def test_a_forged_message_id_is_another_email() -> None:
    """Content is part of the identity: a stub with the Message-ID of another mail is not a copy of it."""
    original = held("a", INBOX, 1, mail("1@x", "kim@client.example", "ana@own.example"))
    stub = held("b", INBOX, 1, mail("1@x", "kim@client.example", "ana@own.example", body="let me read it"))
    truth = truth_of([original, stub])
    assert len({original.mail.identity, stub.mail.identity}) == 2
    assert truth.links["lead:1", stub.mail.identity].shared_by == frozenset()
    assert stub.mail.identity not in truth.visible["dee@own.example", "lead:1"]
