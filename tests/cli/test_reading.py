"""Record pages, mails and explanations at the terminal: only what the viewer may see, and nothing that a terminal interprets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from rich.console import Console

from schemas.emails import Match
from schemas.ledger import RowState
from schemas.mail import Classification, Role
from services.cli.terminal import output
from services.mailbox.connection import SecretBox
from services.store import LinkAddition, RowOutcome, Store, VisibleCopy
from services.usecases.html import sanitize_html
from services.wording import DEFECTS, defects
from tests.cli.fixtures import ANNA, FILE, KIM, LUC, OFFER, PLAIN, START, Deployment, content
from tests.factories import row


def test_the_record_page(deployment: Deployment) -> None:
    """Newest first, with the holders and the start of each id; mail that a colleague shares is included."""
    page = deployment.ok("emails", KIM, "--viewer", ANNA)
    assert "Kim Sund  contact, kim@customer.example: 2 emails that anna@nw.example can see" in page
    assert page.index("Subject plain") < page.index("Subject offer")
    assert "you (INBOX)" in page
    assert OFFER.key[:14] in page
    assert "anna" in deployment.ok("emails", KIM, "--viewer", LUC)


def test_private_mail_is_absent(deployment: Deployment) -> None:
    """Once an account is private, its mail is on no other user's page, in no count, and its ids are unknown to them."""
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    assert "0 emails that luc@nw.example can see" in deployment.ok("emails", KIM, "--viewer", LUC)
    refused = deployment.run("email", "show", OFFER.key, "--viewer", LUC)
    assert (refused.code, refused.out) == (1, "")
    assert refused.errors == f"leadmail: there is no email {OFFER.key}.\n"
    told = deployment.ok("explain", KIM, OFFER.key[:14], "--viewer", LUC)
    assert "luc@nw.example does not see" in told
    assert "not shared: the account is private" in told
    assert "holds it" in deployment.ok("explain", KIM, OFFER.key[:14], "--viewer", ANNA)


def test_no_command_names_a_holder_whom_the_mail_does_not_name(deployment: Deployment) -> None:
    """Anna got a mail through a list. Luc sees it, and learns neither that she has it nor where she filed it."""
    people = [{"address": KIM, "name": "", "role": "from"}, {"address": "list@far.example", "name": "", "role": "to"}]
    with MongoClient[dict[str, Any]](deployment.environment["LEADMAIL_MONGO_URL"]) as client:
        emails = client[deployment.environment["LEADMAIL_MONGO_DATABASE"]].emails
        emails.update_one({"_id": PLAIN.key}, {"$set": {"participants": people}})
    told = [
        deployment.ok("emails", KIM, "--viewer", LUC, "--limit", "1"),
        deployment.ok("email", "show", PLAIN.key, "--viewer", LUC),
        deployment.ok("email", "show", PLAIN.key, "--viewer", LUC, "--json"),
        deployment.ok("search", "Subject plain", "--viewer", LUC, "--json"),
        deployment.ok("explain", KIM, PLAIN.key, "--viewer", LUC, "--by", LUC),
        deployment.ok("explain", KIM, PLAIN.key, "--viewer", LUC, "--by", LUC, "--json"),
    ]
    assert all("anna" not in text and "INBOX" not in text for text in told)
    assert "shared by a colleague whom it does not name" in told[4]
    assert "INBOX" in deployment.ok("email", "show", PLAIN.key, "--viewer", ANNA)


def test_a_page_continues_where_the_last_part_ended(deployment: Deployment) -> None:
    """The suggested command shows the rest."""
    first = deployment.ok("emails", KIM, "--viewer", ANNA, "--limit", "1")
    assert "Subject plain" in first
    more = first.partition("More: leadmail ")[2].replace("'", "").split()
    rest = deployment.ok(*more)
    assert "Subject offer" in rest
    assert "Subject plain" not in rest
    assert deployment.run("emails", KIM, "--viewer", ANNA, "--before", "nonsense").code == 2


def test_nothing_that_a_terminal_obeys(deployment: Deployment) -> None:
    """Escape sequences and bidirectional overrides in names, subjects and texts are removed; a name cannot carry markup."""
    for shown in (
        deployment.ok("emails", KIM, "--viewer", ANNA),
        deployment.ok("email", "show", OFFER.key, "--viewer", ANNA),
    ):
        assert not {"\x1b", "\u202e", "\x07"} & set(shown)


def test_an_email_in_full(deployment: Deployment) -> None:
    """Participants, date, holders, attachments and text."""
    shown = deployment.ok("email", "show", OFFER.key[:14], "--viewer", ANNA)
    for words in ("Subject offer", KIM, "anna@nw.example in INBOX", "offer.pdf  application/pdf", "Hello"):
        assert " ".join(words.split()) in " ".join(shown.split()), words


def test_a_mail_that_bounced(deployment: Deployment) -> None:
    """A mail by itself and the record page say that it was not delivered, to whom and why."""
    marks = Classification(
        bounce=True,
        bounced=(KIM,),
        bounce_status="5.1.1",
        bounce_reason="No such \x1b[31m user",
        bounced_id="offer@mail",
    )
    bounce = content("bounce", marks=marks, thread="b" * 24)

    async def arrives(store: Store, box: SecretBox) -> None:
        (account,), (record,) = await store.accounts.get_all(), await store.records.find(KIM)
        await store.emails.save_many([bounce])
        match = (Match(address=KIM, role=Role.FROM),)
        addition = LinkAddition(bounce.key, record.ref, START, bounce.thread, match, ANNA, ids=bounce.thread_ids)
        await store.links.save_many([addition])
        known = RowState.QUARANTINED
        await store.matcher_ledger.finish(
            [RowOutcome(row(account.id, 3).id, RowState.ATTACHED, email=bounce.key, before=known)]
        )

    deployment.store(arrives)
    shown = " ".join(deployment.ok("email", "show", OFFER.key, "--viewer", ANNA).split())
    assert f"not delivered {KIM} 5.1.1 No such [31m user (bounce {bounce.key[:14]})" in shown
    assert "not delivered" not in deployment.ok("email", "show", PLAIN.key, "--viewer", ANNA)
    assert deployment.ok("emails", KIM, "--viewer", ANNA).count("not delivered") == 1


def test_what_is_wrong_with_a_copy(deployment: Deployment) -> None:
    """Its owner reads it in words; a colleague who sees the mail does not."""

    async def damaged(store: Store, box: SecretBox) -> None:
        (account,) = await store.accounts.get_all()
        defects = ("address:to", "charset:gb2312", "date:guessed", "charset:gb2312")
        attached = RowState.ATTACHED
        outcome = RowOutcome(row(account.id, 1).id, attached, email=OFFER.key, defects=defects, before=attached)
        await store.matcher_ledger.finish([outcome])

    deployment.store(damaged)
    shown = " ".join(deployment.ok("email", "show", OFFER.key, "--viewer", ANNA).split())
    for words in (
        "address in the field to cannot be read",
        "charset that it names (gb2312)",
        "the one shown is a guess",
    ):
        assert shown.count(words) == 1, words
    for options in ((), ("--json",)):
        theirs = deployment.ok("email", "show", OFFER.key, "--viewer", LUC, *options)
        assert "your copy" not in theirs
        assert "gb2312" not in theirs
    copies = json.loads(deployment.ok("email", "show", OFFER.key, "--viewer", ANNA, "--json"))["copies"]
    assert "date:guessed" in copies[0]["defects"]


def test_every_defect_has_words() -> None:
    """Of every kind that the parser notes; a kind without words is shown as it is."""
    noted = {
        kind.strip('"')
        for path in Path("services/parser").rglob("*.py")
        for kind in re.findall(r"\.defect\(([^,)]+)", path.read_text())
    }
    assert {kind if kind != "UNVERIFIED" else "smime-unverified" for kind in noted} <= DEFECTS.keys()
    assert len(noted) > 8
    copy = VisibleCopy(owner=ANNA, account="a" * 24, address=ANNA, folder="INBOX", flags=(), labels=(), own=True)
    for defect in (*DEFECTS, "strange", "strange:{0.x}"):
        (said,) = defects([copy.model_copy(update={"defects": (defect,)})])
        assert "{}" not in said
    assert defects([copy.model_copy(update={"defects": ("html",), "own": False})]) == []


def test_the_forms_of_an_email(deployment: Deployment) -> None:
    """Sanitised HTML, the raw mail without what belongs to one copy, an attachment unchanged; only one form per call."""
    html = deployment.ok("email", "show", OFFER.key, "--viewer", ANNA, "--html")
    assert "<p>Hello</p>" in html
    assert not any(bad in html for bad in ("script", "onclick", "evil.example"))
    raw = deployment.ok("email", "show", OFFER.key, "--viewer", LUC, "--raw")
    assert "From: kim@customer.example" in raw
    assert "secret@x.example" not in raw
    assert deployment.ok("email", "show", OFFER.key, "--viewer", LUC, "--attachment", "1") == FILE.decode()
    assert deployment.run("email", "show", OFFER.key, "--viewer", ANNA, "--html", "--raw").code == 2
    none = deployment.run("email", "show", PLAIN.key, "--viewer", ANNA, "--html")
    assert (none.code, none.errors) == (1, "leadmail: this email has no HTML: omit --html.\n")
    assert "it has 1" in deployment.run("email", "show", OFFER.key, "--viewer", ANNA, "--attachment", "2").errors


@pytest.mark.parametrize(
    ("html", "gone"),
    [
        ("<img src='https://evil.example/a.png'>", "evil.example"),
        ("<img srcset='https://evil.example/a.png 2x'>", "evil.example"),
        ("<table background='https://evil.example/a.png'><tr><td>x</td></tr></table>", "evil.example"),
        ("<style>@import 'https://evil.example'</style>", "evil.example"),
        ("<p style=\"background:url('https://evil.example')\">x</p>", "evil.example"),
        ("<iframe src='https://evil.example'></iframe>", "evil.example"),
        ("<a href='javascript:alert(1)'>x</a>", "javascript"),
        ("<form action='https://evil.example'><input name=a></form>", "evil.example"),
        ("<video poster='https://evil.example/a.png' src='https://evil.example/b'></video>", "evil.example"),
        ("<link rel=stylesheet href='https://evil.example/a.css'>", "evil.example"),
    ],
)
def test_html_that_runs_nothing_and_loads_nothing(html: str, gone: str) -> None:
    """Everything that would run or load when the HTML is opened is removed."""
    assert gone not in sanitize_html(html)


def test_html_keeps_what_is_harmless() -> None:
    """Text, links and inline images stay; links open without a referrer."""
    kept = sanitize_html("<p>Hi <b>you</b> <a href='https://ok.example/'>link</a><img src='cid:logo'></p>")
    assert "<b>you</b>" in kept
    assert 'href="https://ok.example/"' in kept
    assert 'rel="noopener noreferrer"' in kept
    assert "cid:logo" in kept


def test_accounts_and_their_state(deployment: Deployment) -> None:
    """List and show print the account without its password."""
    assert "anna@nw.example  anna@nw.example  127.0.0.1  public   active" in deployment.ok("account", "list")
    shown = " ".join(deployment.ok("account", "show", ANNA).split())
    for words in (
        "2 attached, 1 quarantined",
        "backfill 1 complete",
        "confirmation due",
        "Trash no: trash",
        "quarantined 1: parser-died (see `leadmail dead-letters list --account anna@nw.example`)",
    ):
        assert words in shown, words
    assert "secret-of-anna" not in shown
    assert deployment.run("account", "list", "--owner", "nobody@nw.example").code == 1
    assert "There are no accounts yet" in deployment.ok("account", "list", "--owner", LUC)


def test_status(deployment: Deployment) -> None:
    """The first line is the oldest unfinished copy; then accounts, then queues."""
    deployment.ok("setup")
    assert "LEADMAIL_SECRET_KEY lacks the secret" in deployment.run("status", LEADMAIL_SECRET_KEY="ab" * 32).out
    text = deployment.ok("status")
    assert text.startswith("no poller and no parser and no matcher and no notifier is running: mail waits\n")
    assert text.splitlines()[1].startswith("nothing is unfinished   1 dead letter: see `leadmail dead-letters list`")
    assert "anna@nw.example  ━━━━━━━━━━━━       3/3  complete" in text
    assert "parser.mail-fetched.live" in text
    assert ".retry-" not in text
    assert ".isolated" not in text


def test_status_in_80_columns(deployment: Deployment) -> None:
    """A narrow terminal cuts nothing off."""
    narrow = deployment.run("status", COLUMNS="80").out
    assert "complete" in narrow
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_shortened_columns_make_room_for_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of mail keeps date and id on a terminal of usual width, because the next command needs the id."""
    monkeypatch.setattr(output, "console", Console(width=100))
    row = ("2026-11-29 08:43", "Three more vessels " * 5, "Ingrid Halvorsen, " * 3, "v2-c152a65a1e2")
    output.table(None, ("date", "subject", "with", "id"), [row], cut=("subject", "with"))
    head, shown = capsys.readouterr().out.rstrip("\n").splitlines()
    assert head.split() == ["date", "subject", "with", "id"]
    assert shown.startswith("2026-11-29 08:43  Three more")
    assert shown.rstrip().endswith("v2-c152a65a1e2")
