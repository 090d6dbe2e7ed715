"""The dialects: what each service says where others say something else, and every extension that a server may lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from testbed.servers.scripted import Dialect, ScriptedMailbox
from testbed.servers.scripted import dialects as known
from testbed.servers.scripted.dialects import FULL
from testbed.servers.scripted.faults import Refuse, Rewrite, SendRaw
from tests.lying.harness import mails
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, codes
from tests.lying.harness.mails import raw_mail

Step = Callable[[ScriptedMailbox], frozenset[bytes] | None]


def tour(sent: str, other: str, main: str = "INBOX") -> Sequence[Step]:
    """Return what happens in a mailbox in the course of a day: the newest and the oldest mail go, folders come and go."""

    def arrive(box: ScriptedMailbox) -> None:
        name = box.user.partition(".")[0]
        for folder in (main, sent, main):
            box.add(raw_mail(name), folder)
        box.flag(box.folder(main).uids[:3], add=[r"\Seen"], folder=main)
        box.flag(box.folder(main).uids[1:2], remove=[r"\Seen"], folder=main)

    def remove(box: ScriptedMailbox) -> None:
        for folder in {main, sent}:
            uids = box.folder(folder).uids
            box.delete([uids[0], uids[-1]], folder)

    def make(box: ScriptedMailbox) -> frozenset[bytes]:
        box.create(other)
        box.move(box.folder(main).uids[-2:], main, other)
        return frozenset({main.encode(), sent.encode(), other.encode()})

    def rename(box: ScriptedMailbox) -> frozenset[bytes]:
        box.rename(other, other + "2")
        return frozenset({main.encode(), sent.encode(), other.encode() + b"2"})

    def drop(box: ScriptedMailbox) -> frozenset[bytes]:
        box.drop(other + "2")
        return frozenset({main.encode(), sent.encode()})

    return (arrive, remove, make, rename, drop) if other else (arrive, remove)


def whole(dialect: Dialect, sent: str, other: str, *more: str, provider: str | None = None) -> Case:
    """Return the case of a dialect through a day's tour."""
    folders = frozenset(name.encode() for name in ("INBOX", sent, *more))

    def with_more(step: Step) -> Step:
        def run(box: ScriptedMailbox) -> frozenset[bytes] | None:
            found = step(box)
            return found and found | {name.encode() for name in more}

        return run

    steps = [with_more(step) for step in tour(sent, other)]
    return Case(dialect.name, dialect=dialect, folders=folders, tour=steps, account={"provider": provider})


ALL_MAIL = mails.ALL_MAIL.decode()


def labelled_draft(box: ScriptedMailbox) -> None:
    r"""Put a draft into All Mail that only its label names."""
    box.add(raw_mail("gmail"), ALL_MAIL, flags=[r"\Draft"], labels=["\\Draft"])
    box.add(raw_mail("gmail"), "[Gmail]/Trash")
    box.add(raw_mail("gmail"), "INBOX", labels=["\\Inbox"])


def gmail(case: Case) -> Case:
    """Return a case on Gmail."""
    known_by = {"provider": "gmail"}
    return replace(
        case, name=f"Gmail, {case.name}", dialect=known.GMAIL, folders=frozenset({ALL_MAIL.encode()}), account=known_by
    )


def microsoft(case: Case) -> Case:
    """Return a case on Microsoft 365."""
    folders = frozenset({b"INBOX", b"Sent Items", b"Calendar", b"Contacts"})
    known_by = {"provider": "microsoft365"}
    return replace(case, name=f"Microsoft 365, {case.name}", dialect=known.MICROSOFT, folders=folders, account=known_by)


LACKING = (
    "IDLE", "UIDPLUS", "CONDSTORE QRESYNC", "QRESYNC", "ESEARCH", "SPECIAL-USE", "LITERAL+", "LIST-STATUS", "NAMESPACE", "MOVE",
    "LIST-EXTENDED LIST-STATUS", "ID", "ENABLE QRESYNC", "IDLE CONDSTORE QRESYNC LIST-STATUS LIST-EXTENDED SPECIAL-USE",
)  # fmt: skip
CASES = [
    whole(FULL, "Sent", "Kunden/Neu &- alt"),
    whole(FULL.including("NOTIFY"), "Sent", "Clients"),
    *(whole(FULL.without(*names.split()), "Sent", "Clients") for names in LACKING),
    gmail(Case("all mail and a draft", prepare=labelled_draft, tour=tour(ALL_MAIL, "", ALL_MAIL))),
    gmail(
        Case(
            "bandwidth",
            held=codes("throttled"),
            faults=lambda: [
                Refuse("UID FETCH", what="body", text="NO [OVERQUOTA] Account exceeded command or bandwidth limits.")
            ],
        )
    ),
    gmail(
        Case(
            "app password",
            login_faults=lambda: [
                Refuse(
                    "LOGIN|AUTHENTICATE",
                    text="NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)",
                )
            ],
            blocked="app-password-needed",
        )
    ),
    gmail(
        Case(
            "web login",
            login_faults=lambda: [
                Refuse(
                    "LOGIN|AUTHENTICATE",
                    text="NO [WEBALERT https://accounts.google.com/signin/continue] Web login required. (Failure)",
                )
            ],
            blocked="web-login-needed",
        )
    ),
    gmail(
        Case(
            "connection limit",
            login_faults=lambda: [
                Refuse("LOGIN|AUTHENTICATE", times=3, text="NO [ALERT] Too many simultaneous connections. (Failure)")
            ],
        )
    ),
    whole(known.MICROSOFT, "Sent Items", "Clients", "Calendar", "Contacts", provider="microsoft365"),
    microsoft(
        Case(
            "throttled",
            held=codes("throttled"),
            faults=lambda: [
                Refuse("UID FETCH", text="BAD Request is throttled. Suggested Backoff Time: 2961 milliseconds")
            ],
        )
    ),
    microsoft(
        Case(
            "closes on one mail",
            faults=lambda: [
                SendRaw("UID FETCH", what="body", uid=5, text=b"* BYE Connection closed. 14\r\n", then_cut=True)
            ],
            lost={5: "unreadable"},
        )
    ),
    microsoft(
        Case(
            "authenticated but not connected, for a moment",
            faults=lambda: [
                Refuse("LIST|EXAMINE|NAMESPACE|STATUS", times=2, text="BAD User is authenticated but not connected.")
            ],
        )
    ),
    microsoft(
        Case(
            "deleted mail without body",
            faults=lambda: [
                Rewrite("UID FETCH", what="body", pattern=rb"^\* \d+ FETCH \(UID 5 BODY.*", to=b"* 5 FETCH (UID 5)")
            ],
            lost={5: "withheld"},
        )
    ),
    whole(known.EXCHANGE, "Sent Items", "Clients", "Calendar", "Contacts"),
    whole(known.YAHOO, "Sent", "Clients", "Archive", provider="yahoo"),
    Case(
        "Yahoo, one bad mail in a batch",
        dialect=known.YAHOO,
        folders=frozenset({b"INBOX", b"Sent", b"Archive"}),
        faults=lambda: [Refuse("UID FETCH", uid=5, what="body", alone=False, text="NO UID FETCH failed")],
    ),
    whole(known.ICLOUD, "Sent Messages", "Clients", "Archive", provider="icloud"),
    whole(known.NETEASE, "&XfJT0ZAB-", "Clients", provider="netease-163"),
    whole(known.QQ, "Sent Messages", "Clients", provider="qq"),
    whole(known.ZIMBRA, "Sent", "Clients"),
    whole(known.CYRUS, "INBOX.Sent", "INBOX.Clients"),
    whole(known.COURIER, "INBOX.Sent", "INBOX.Clients"),
    whole(known.HMAILSERVER, "Sent", "Clients"),
    whole(known.REV2, "Sent", "Clients"),
]


def test_a_dialect(case: Case, outcomes: dict[str, str]) -> None:
    """The mailbox is confirmed, and the ledger follows whatever happens in it."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
