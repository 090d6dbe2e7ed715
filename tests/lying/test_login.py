"""Lies of the login: outages that sound like a wrong password, refusals that are final, and servers that echo secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from testbed.servers.scripted import Call, ImapFault
from testbed.servers.scripted.dialects import FULL, MICROSOFT
from testbed.servers.scripted.faults import Announce, Refuse, SendRaw
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes

LOGIN = "LOGIN|AUTHENTICATE"
OUTAGE = codes("unavailable", "throttled", "too-many-connections", "refused", "timeout")
"""What is shown then: never a wrong password."""
OUTAGES = (
    "NO [UNAVAILABLE] Temporary authentication failure.",
    "NO [INUSE] Mailbox is in use",
    "NO [SERVERBUG] Internal error occurred. Refer to server log for more information.",
    "NO [ALERT] Too many simultaneous connections. (Failure)",
    "NO Server error, please try again later",
    "NO System error",
    "NO authentication service is not available",
    "NO Authentication failed: backend unavailable",
    "NO LOGIN failed, cannot connect to authentication server",
    "NO Login failed: authentication database timeout",
    "NO Error: LDAP server is down",
    "NO generic failure",
    "NO Unable to contact auth server",
    "NO Authentication server is busy",
    "NO The system is under maintenance",
    "NO Service not ready",
    "NO Rate limit hit",
    "NO Login rate exceeded",
    "NO Too many login failures, wait",
    "NO connection to the user database lost",
    "NO mailbox store is offline",
    "NO Proxy: connect to backend timed out",
    "NO Maximum number of connections from user+IP exceeded",
    "BAD internal server error",
    "BAD Request is throttled. Suggested Backoff Time: 1961 milliseconds",
    "BAD Server unavailable 15",
    "NO LOGIN Server error - Please try again later",
)
"""What is said when nobody's password is wrong."""
FINAL = {
    "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)": "wrong-password",
    "NO LOGIN failed.": "wrong-password",
    "NO Login incorrect": "wrong-password",
    "NO [ALERT] Application-specific password required": "app-password-needed",
    "NO [WEBALERT https://mail.example/] Web login required.": "web-login-needed",
    "NO [ALERT] Your account is not enabled for IMAP use. Please visit your settings page to enable IMAP access.": "imap-disabled",
    "NO Account is disabled": "account-disabled",
}


def refused(text: str, times: int | None = None) -> Faults:
    """Return a refusal of every login."""
    return lambda: [Refuse(LOGIN, text=text, times=times)]


def refused_later(text: str) -> Faults:
    """Return a lost line, after which every login is refused."""
    return lambda: [Refuse(LOGIN, text=text), SendRaw("IDLE", times=1, then_cut=True)]


@dataclass
class Echo(ImapFault):
    """Refuses a login and quotes it, as it came."""

    async def before(self, call: Call) -> bool:
        """Read the credentials and send them back."""
        await call.client.write(b"+ \r\n")
        line = (await call.client.read_line()).strip()
        text = b"* BAD you said " + line + b"\r\n" + call.tag + b" NO [UNAVAILABLE] cannot read " + line + b"\r\n"
        await call.client.write(text)
        return True


def short(text: str) -> str:
    """Return a name for a wording."""
    return re.sub(r"[^\w ]+", "", text)[:46].strip()


CASES = [
    *(Case(f"passing: {short(text)}", login_faults=refused(text), held=OUTAGE, mails=4) for text in OUTAGES),
    *(
        Case(
            f"passing, live: {short(text)}",
            login_faults=refused_later(text),
            live=True,
            held=OUTAGE,
            mails=4,
        )
        for text in OUTAGES[:4]
    ),
    *(Case(f"final: {short(text)}", login_faults=refused(text), blocked=code, mails=4) for text, code in FINAL.items()),
    *(Case(f"once: {short(text)}", login_faults=refused(text, times=1), mails=4) for text in FINAL),
    Case(
        "refused once each time the line is lost",
        login_faults=lambda: [
            Refuse(LOGIN, text="NO [AUTHENTICATIONFAILED] Invalid credentials", skip=2, times=1),
            SendRaw("IDLE", times=1, then_cut=True),
        ],
        mails=4,
    ),
    Case("echo of the password", login_faults=lambda: [Echo("AUTHENTICATE", times=2)], mails=4),
    Case(
        "echo of the password on LOGIN",
        dialect=FULL,
        login_faults=lambda: [Refuse("LOGIN", text="NO [UNAVAILABLE] LOGIN failed", times=2)],
        mails=4,
    ),
    Case(
        "authenticated but not connected",
        dialect=MICROSOFT,
        folders=frozenset({b"INBOX", b"Sent Items", b"Calendar", b"Contacts"}),
        faults=lambda: [Refuse("LIST|EXAMINE|STATUS|NAMESPACE", text="BAD User is authenticated but not connected.")],
        blocked="wrong-password",
        mails=4,
    ),
    Case(
        "the greeting is BYE",
        login_faults=lambda: [SendRaw("CONNECT", text=b"* BYE Too many connections\r\n", then_cut=True)],
        held=OUTAGE,
        mails=4,
    ),
    Case(
        "the greeting is BYE, twice",
        login_faults=lambda: [SendRaw("CONNECT", text=b"* BYE Server is going down\r\n", then_cut=True, times=2)],
        mails=4,
    ),
    Case("the greeting is missing", login_faults=lambda: [SendRaw("CONNECT", then_cut=True, times=3)], mails=4),
    Case(
        "the greeting is a web server's",
        login_faults=lambda: [
            SendRaw("CONNECT", text=b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", then_cut=True)
        ],
        held=codes("wrong-server"),
        mails=4,
    ),
    Case(
        "the greeting logs everybody in",
        login_faults=lambda: [SendRaw("CONNECT", text=b"* PREAUTH welcome\r\n", times=3)],
        mails=4,
    ),
    Case(
        "the login ends the line",
        login_faults=lambda: [SendRaw(LOGIN, text=b"* BYE Autologout\r\n", then_cut=True, times=3)],
        mails=4,
    ),
    Case(
        "the login ends the line for good", login_faults=lambda: [SendRaw(LOGIN, then_cut=True)], held=OUTAGE, mails=4
    ),
    Case(
        "an alert before the login",
        login_faults=lambda: [Announce(LOGIN, text=b"* NO [ALERT] maintenance soon\r\n")],
        mails=4,
    ),
    Case("no more than one connection", dialect=replace(FULL, connections=1), mails=4),
]


def test_login(case: Case, outcomes: dict[str, str]) -> None:
    """An account is blocked only when its owner has to act, and by several refusals; anything else is tried again."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
