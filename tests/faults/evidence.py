"""A small company with a correct end state, written by hand: the tests of the verdict damage it."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.chaos.proof.expected import ExpectedState, Mailowner
from testbed.chaos.proof.findings import Asked, Evidence, Seen
from testbed.chaos.proof.observer import Completion, Observed, Place
from testbed.chaos.proof.reader import Held, ServerCopy, read_mail
from testbed.chaos.proof.reference import work_out
from testbed.chaos.proof.stored import AttentionMail, Confirmation, Stored, StoredAccount, StoredEpoch, StoredRow

INBOX, SENT = b"INBOX", b"Sent"
NOTHING = frozenset[str]()
OFFICE = frozenset({"office@own.example"})
ANA = Mailowner("ana@own.example", frozenset({"ana@own.example"}), NOTHING, "public", ())
BO = Mailowner("bo@own.example", frozenset({"bo@own.example", *OFFICE}), OFFICE, "private", ())
CY = Mailowner("cy@own.example", frozenset({"cy@own.example"}), NOTHING, "custom", ("law.example",))
ACCOUNTS = {"a": ANA, "b": BO, "c": CY}
VIEWERS = ("ana@own.example", "bo@own.example", "cy@own.example", "dee@own.example")
RECORDS = {
    "lead:1": ("kim@client.example",),
    "contact:2": ("lex@law.example",),
    "contact:3": ("desk@own.example",),
    "contact:4": ("pat@client.example", "kim@client.example"),
}
EXCLUDED = ("own.example",)


def mail(  # noqa: PLR0917 - the headers of a mail
    message_id: str, sender: str, to: str, cc: str = "", bcc: str = "", answers: str = "", body: str = "hello"
) -> bytes:
    """Return a raw mail."""
    headers = [f"From: <{sender}>", f"To: <{to}>", "Date: Mon, 02 Nov 2026 10:00:00 +0000", "Subject: things"]
    headers += [f"Message-ID: <{message_id}>"] if message_id else []
    headers += [f"{name}: <{value}>" for name, value in (("Cc", cc), ("Bcc", bcc), ("In-Reply-To", answers)) if value]
    return ("\r\n".join(headers) + f"\r\n\r\n{body}\r\n").encode()


def held(account: str, folder: bytes, uid: int, raw: bytes, *flags: str) -> Held:
    """Return a copy."""
    return Held(ServerCopy(account, folder, 7, uid), frozenset(flags), read_mail(raw, account))


def truth_of(copies: Sequence[Held]) -> ExpectedState:
    """Return the reference's result for copies."""
    return work_out(copies, records=RECORDS, accounts=ACCOUNTS, viewers=VIEWERS, excluded=EXCLUDED)


def company() -> list[Held]:
    """Return mail with a client in two mailboxes, a Bcc, a thread with a lawyer in two others, and private mail."""
    offer = mail("1@x", "ana@own.example", "kim@client.example", cc="bo@own.example")
    blind = mail("2@x", "ana@own.example", "stranger@far.example", bcc="pat@client.example")
    lawyer = mail("3@x", "bo@own.example", "lex@law.example", cc="cy@own.example")
    return [
        held("a", SENT, 1, offer, "\\Seen"),
        held("b", INBOX, 1, offer),
        held("a", SENT, 2, blind, "\\Seen"),
        held("c", INBOX, 1, lawyer),
        held("c", INBOX, 2, mail("4@x", "stranger@far.example", "cy@own.example")),
        held("b", INBOX, 2, mail("5@x", "assistant@far.example", "bo@own.example", answers="3@x")),
        held("b", SENT, 3, lawyer),
    ]


def clean() -> Evidence:
    """Return the evidence of a company without any fault."""
    copies = company()
    truth = truth_of(copies)
    keys = {each.mail.identity: f"v1-{each.mail.message_id}" for each in copies}
    rows = [
        StoredRow(
            f"{each.copy.account}.{each.copy.folder.decode()}.{each.copy.uid}",
            each.copy,
            truth.states[each.copy],
            None,
            keys[each.mail.identity] if truth.states[each.copy] == "attached" else None,
            each.flags,
        )
        for each in copies
    ]
    stored = Stored(
        folders={(account, name.decode()): name for account in ACCOUNTS for name in (INBOX, SENT)},
        rows=rows,
        emails={row.email: row.email[3:] for row in rows if row.email},
        fading=frozenset(),
        links={(record, keys[identity]): link for (record, identity), link in truth.links.items()},
        epochs=[StoredEpoch(account, 1, "complete", "sent") for account in ACCOUNTS],
        accounts=[
            StoredAccount(account, "active", int(account == "b"), resync_requested=False, trouble=None)
            for account in ACCOUNTS
        ],
        dead=[],
        pending_work=0,
        counts={
            record: sum(bool(link.shared_by) for (each, _), link in truth.links.items() if each == record)
            for record in RECORDS
        },
    )
    seen = Seen(
        {
            (viewer, record): [keys[identity] for identity in truth.visible.get((viewer, record), ())]
            for viewer in VIEWERS
            for record in RECORDS
        },
        {},
        {(viewer, keys[identity]): owners for (viewer, identity), owners in truth.holders.items()},
    )
    observed = Observed(
        final={row.id: number for number, row in enumerate(rows, 1)},
        places={row.id: Place(row.copy.account, row.copy.folder.decode(), 7, row.copy.uid) for row in rows},
        complete={(account, 1): Completion(100, 1000.0) for account in ACCOUNTS},
    )
    return Evidence(
        held=copies,
        truth=truth,
        stored=stored,
        seen=seen,
        confirmations=[Confirmation(f"<sync.{account}.1@x>", account, 1, 1001.0) for account in ACCOUNTS],
        attentions=[AttentionMail("<attention.b.1@x>", "b", 1)],
        observed=observed,
        asked=[
            Asked(account, 0, frozenset(each.copy for each in copies if each.copy.account == account))
            for account in ACCOUNTS
        ],
        blocks={"b": 1},
        unnotified=[],
        unshown=[],
    )
