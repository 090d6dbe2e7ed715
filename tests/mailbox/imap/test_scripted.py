"""Logging in to IMAP servers that behave as some in the world do."""

from __future__ import annotations

import dataclasses
import imaplib
import socket
import ssl
import time

import pytest
from pydantic import SecretStr

from services.mailbox.connection.credentials import OAuth2Credentials, password
from services.mailbox.connection.errors import Code, MailServerError
from services.mailbox.connection.policy import ConnectPolicy, Timeouts
from services.mailbox.imap import ImapSession, MailboxEvents, RefusedError, Wakeup, connect_imap, wait_for_events
from tests.mailbox.scripted_server import Authority, Scripted, Talk, at, black_hole, decoded, imap

SECRET = "s3cret-of-ann"
TOKEN = OAuth2Credentials(access_token=SecretStr("ya29.token"))


def _refusal(server: Scripted, policy: ConnectPolicy, tls: str = "none", credentials: object = None) -> MailServerError:
    with pytest.raises(MailServerError) as refused:
        connect_imap(at(server.port, tls), credentials or password(SECRET), policy=policy)  # type: ignore[arg-type]
    assert SECRET not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("capability", ["IMAP4rev1 LOGINDISABLED", "IMAP4rev1 STARTTLS LOGINDISABLED"])
def test_logindisabled_keeps_the_password_here(policy: ConnectPolicy, capability: str) -> None:
    """A server that forbids LOGIN never sees the password."""
    with Scripted(imap({}, capability=capability)) as server:
        assert _refusal(server, policy).code is Code.PLAINTEXT_REFUSED
        assert not any(SECRET in line or "LOGIN" in line for line in server.heard)


def test_logindisabled_with_tokens_only_asks_for_oauth2(policy: ConnectPolicy) -> None:
    """Where only tokens are taken, the user learns that OAuth2 is needed, and the password stays here."""
    with Scripted(imap({}, capability="IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2")) as server:
        assert _refusal(server, policy).code is Code.OAUTH2_NEEDED
        assert not any(SECRET in line for line in server.heard)


def test_authenticate_plain_is_preferred_and_is_utf8(policy: ConnectPolicy) -> None:
    """With AUTH=PLAIN name and password go as UTF-8 in one SASL message."""
    with Scripted(imap({})) as server:
        connect_imap(at(server.port, username="änn@example.test"), password("pässwörd"), policy=policy).logout()
        index = next(index for index, line in enumerate(server.heard) if "AUTHENTICATE PLAIN" in line)
        assert decoded(server.heard[index + 1]) == "\0änn@example.test\0pässwörd".encode()


def test_login_quotes_name_and_password(policy: ConnectPolicy) -> None:
    """Without SASL the LOGIN command carries both as quoted strings."""
    with Scripted(imap({}, capability="IMAP4rev1")) as server:
        connect_imap(at(server.port, username='an "x" n'), password("p\\w"), policy=policy).logout()
        assert any(line.endswith(r'LOGIN "an \"x\" n" "p\\w"') for line in server.heard)


def test_auth_login_carries_passwords_that_the_login_command_cannot(policy: ConnectPolicy) -> None:
    """A non-ASCII password is sent by AUTHENTICATE LOGIN if PLAIN is missing."""
    answers = {"AUTHENTICATE LOGIN": ["+ VXNlcm5hbWU6", "+ UGFzc3dvcmQ6", "{tag} OK welcome"]}
    with Scripted(imap(answers, capability="IMAP4rev1 AUTH=LOGIN")) as server:
        connect_imap(at(server.port), password("pässwörd"), policy=policy).logout()
        index = next(index for index, line in enumerate(server.heard) if "AUTHENTICATE LOGIN" in line)
        assert [decoded(line) for line in server.heard[index + 1 : index + 3]] == [
            b"ann@example.test",
            "pässwörd".encode(),
        ]


def test_a_password_that_no_login_can_carry_is_reported(policy: ConnectPolicy) -> None:
    """A server with only the LOGIN command cannot take letters beyond ASCII, and does not get half of them."""
    with Scripted(imap({}, capability="IMAP4rev1")) as server:
        assert _refusal(server, policy, credentials=password("pässwörd")).code is Code.UNSUPPORTED_LOGIN


@pytest.mark.parametrize("command", ["LIST", "ID"])
def test_authenticated_but_not_connected_is_a_failed_login(policy: ConnectPolicy, command: str) -> None:
    """Exchange says OK to some wrong passwords and refuses everything after: that is no login."""
    lie = {
        "LIST": "{tag} BAD User is authenticated but not connected.",
        "ID": "{tag} BAD User is authenticated but not connected.",
    }
    capability = "IMAP4 IMAP4rev1 AUTH=PLAIN ID" if command == "ID" else "IMAP4 IMAP4rev1 AUTH=PLAIN"
    with Scripted(imap(lie, capability=capability)) as server:
        assert _refusal(server, policy).code is Code.WRONG_PASSWORD


def test_gmails_reason_in_an_untagged_line_is_read(policy: ConnectPolicy) -> None:
    """The web alert comes before a tagged NO that says little: both count."""
    answer = [
        "+ ",
        "* NO [WEBALERT https://accounts.google.com/signin/continue] Web login required.\r\n{tag} NO Failure",
    ]
    with Scripted(imap({"AUTHENTICATE PLAIN": answer})) as server:
        refusal = _refusal(server, policy)
        assert refusal.code is Code.WEB_LOGIN_NEEDED
        assert "accounts.google.com" in refusal.answer


def test_a_goodbye_at_the_login_is_read(policy: ConnectPolicy) -> None:
    """A server that says BYE with its reason and closes is as clear as one that says NO."""
    with Scripted(imap({"AUTHENTICATE PLAIN": ["+ ", "* BYE Too many simultaneous connections\r\n"]})) as server:
        refusal = _refusal(server, policy)
        assert refusal.code is Code.TOO_MANY_CONNECTIONS
        assert refusal.transient


def test_a_goodbye_as_greeting_is_read(policy: ConnectPolicy) -> None:
    """A full server says so before anything else."""
    with Scripted(imap({}, greeting="* BYE Maximum number of connections from user+IP exceeded")) as server:
        assert _refusal(server, policy).code is Code.TOO_MANY_CONNECTIONS


def test_a_web_server_is_no_mail_server(policy: ConnectPolicy) -> None:
    """Whatever else answers at the port is a wrong server."""
    with Scripted(lambda talk: talk.say("HTTP/1.1 400 Bad Request")) as server:
        assert _refusal(server, policy).code is Code.WRONG_SERVER


def test_a_server_that_hangs_up_is_unavailable(policy: ConnectPolicy) -> None:
    """A connection that ends without a word, before the greeting or instead of the login's answer, may work later."""
    with Scripted(lambda _talk: None) as server:
        assert _refusal(server, policy).code is Code.UNAVAILABLE

    def hang_up(talk: Talk) -> None:
        imap({"AUTHENTICATE PLAIN": ["+ ", "+ "]})(_HangsUp(talk))  # type: ignore[arg-type]

    with Scripted(hang_up) as server:
        assert _refusal(server, policy).code is Code.UNAVAILABLE


class _HangsUp:
    """A talk that ends once a SASL message was heard."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.say = talk.say

    def hear(self) -> str:
        line = self._talk.hear()
        if " " not in line:
            raise EOFError
        return line


def test_an_echoed_password_is_blotted_out(policy: ConnectPolicy) -> None:
    """A server that repeats the command in its error does not get the password into our logs."""
    with Scripted(imap({"LOGIN": f'{{tag}} NO cannot LOGIN ann "{SECRET}"'}, capability="IMAP4rev1")) as server:
        assert "***" in _refusal(server, policy).answer


def test_id_is_sent_before_any_mailbox_is_opened(policy: ConnectPolicy) -> None:
    """NetEase refuses SELECT before ID, so ID is sent right after the log-in."""
    with Scripted(imap({}, capability="IMAP4rev1 AUTH=PLAIN ID")) as server:
        connect_imap(at(server.port), password(SECRET), policy=policy).logout()
        assert any(' ID ("name" "Leadmail"' in line for line in server.heard)


def test_a_server_that_refuses_id_is_still_used(policy: ConnectPolicy) -> None:
    """ID is a courtesy: a NO to it is ignored."""
    with Scripted(imap({"ID": "{tag} NO not today"}, capability="IMAP4rev1 AUTH=PLAIN ID")) as server:
        connect_imap(at(server.port), password(SECRET), policy=policy).logout()


@pytest.mark.parametrize(
    ("mechanism", "message", "reply"),
    [
        ("XOAUTH2", b"user=ann@example.test\1auth=Bearer ya29.token\1\1", b""),
        ("OAUTHBEARER", b"n,a=ann@example.test,\1auth=Bearer ya29.token\1\1", b"\1"),
    ],
)
def test_a_refused_token_is_reported_with_the_servers_reason(
    policy: ConnectPolicy, mechanism: str, message: bytes, reply: bytes
) -> None:
    """The token is sent once. The error challenge gets the reply that it waits for, not the token again. Its JSON is kept."""
    challenge = "+ eyJzdGF0dXMiOiI0MDAifQ=="  # {"status":"400"}
    answers = {f"AUTHENTICATE {mechanism}": ["+ ", challenge, "{tag} NO SASL authentication failed"]}
    with Scripted(imap(answers, capability=f"IMAP4rev1 AUTH={mechanism}")) as server:
        refusal = _refusal(server, policy, credentials=TOKEN)
        assert '{"status":"400"}' in refusal.answer
        index = next(index for index, line in enumerate(server.heard) if "AUTHENTICATE" in line)
        assert [decoded(line) for line in server.heard[index + 1 : index + 3]] == [message, reply]


def test_a_token_logs_in(policy: ConnectPolicy) -> None:
    """A good token opens the mailbox."""
    with Scripted(
        imap({"AUTHENTICATE XOAUTH2": ["+ ", "{tag} OK done"]}, capability="IMAP4rev1 AUTH=XOAUTH2")
    ) as server:
        connect_imap(at(server.port), TOKEN, policy=policy).logout()


def test_starttls_that_is_not_offered_ends_the_connection(policy: ConnectPolicy) -> None:
    """There is no fall-back: where STARTTLS was chosen and is missing (or was stripped), the password stays here."""
    with Scripted(imap({})) as server:
        assert _refusal(server, policy, "starttls").code is Code.TLS_FAILED
        assert not any("AUTHENTICATE" in line or "LOGIN" in line for line in server.heard)


def test_preauth_in_plain_text_is_refused(policy: ConnectPolicy) -> None:
    """A greeting that logs us in before STARTTLS is the trick of who wants the line in plain text."""
    with Scripted(imap({}, greeting="* PREAUTH welcome", capability="IMAP4rev1 STARTTLS")) as server:
        assert _refusal(server, policy, "starttls").code is Code.TLS_FAILED


def test_what_was_slipped_in_before_tls_is_forgotten(policy: ConnectPolicy, authority: Authority) -> None:
    """Plain-text lines behind the answer to STARTTLS are not taken for the encrypted server's."""

    def script(talk: Talk) -> None:
        talk.say("* OK ready")
        talk.say(f"* CAPABILITY IMAP4rev1 STARTTLS\r\n{talk.hear().split()[0]} OK done")
        talk.say(f"{talk.hear().split()[0]} OK go\r\n* CAPABILITY IMAP4rev1 FORGED AUTH=PLAIN")
        talk.encrypt(authority.server("127.0.0.1"))
        imap({}, capability="IMAP4rev1 AUTH=PLAIN", greeting="* OK x")(_WithoutGreeting(talk))  # type: ignore[arg-type]

    with Scripted(script) as server:
        client = connect_imap(at(server.port, "starttls"), password(SECRET), policy=policy)
        assert not client.has_capability("FORGED")
        client.logout()


class _WithoutGreeting:
    """A talk that swallows the first line said."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._greeted = False
        self.hear = talk.hear

    def say(self, text: str) -> None:
        if self._greeted:
            self._talk.say(text)
        self._greeted = True


def test_a_server_that_drips_is_left_at_the_deadline(policy: ConnectPolicy) -> None:
    """A byte now and then never trips a socket's time-out, but the login's deadline still holds."""

    def drip(talk: Talk) -> None:
        while True:
            talk.sock.sendall(b"*")
            time.sleep(0.05)

    hurried = dataclasses.replace(policy, timeouts=Timeouts(connect=1, read=1, login=0.5))
    with Scripted(drip) as server:
        assert _refusal(server, hurried).code is Code.TIMEOUT


def test_a_deadline_bounds_a_command(policy: ConnectPolicy) -> None:
    """A deadline ends a command whose answer never finishes, and does not touch one whose answer does."""
    with Scripted(imap({"NOOP": "* OK still"}, capability="IMAP4rev1 AUTH=PLAIN")) as server:
        client = connect_imap(at(server.port), password(SECRET), policy=policy)
        with client.protocol.stream.within(60):
            client.capabilities()
        with pytest.raises((TimeoutError, imaplib.IMAP4.abort)), client.protocol.stream.within(0.3):
            client.noop()
        client.shutdown()


def test_a_silent_server_is_left(policy: ConnectPolicy) -> None:
    """A server that accepts and says nothing (a TLS port spoken to in plain text) is a time-out."""
    hurried = dataclasses.replace(policy, timeouts=Timeouts(connect=1, read=0.3, login=0.3))
    with Scripted(lambda talk: talk.hear() and None) as server:
        assert _refusal(server, hurried).code is Code.TIMEOUT


def test_a_black_hole_is_left(policy: ConnectPolicy) -> None:
    """Nothing at all comes back: the connect time-out holds."""
    hurried = dataclasses.replace(policy, timeouts=Timeouts(connect=0.3, read=1, login=1))
    with black_hole() as port, pytest.raises(MailServerError) as refused:
        connect_imap(at(port, "tls"), password(SECRET), policy=hurried)
    assert refused.value.code is Code.TIMEOUT


def test_tls_at_a_plain_port_says_so(policy: ConnectPolicy) -> None:
    """TLS from the start at a STARTTLS port is reported as the wrong kind of encryption."""
    with Scripted(imap({})) as server:
        assert _refusal(server, policy, "tls").code is Code.TLS_FAILED


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_old_tls_is_refused(policy: ConnectPolicy, authority: Authority) -> None:
    """TLS 1.1 and below are not negotiated."""
    context = authority.server("127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Scripted(imap({}), tls=context) as server:
        assert _refusal(server, policy, "tls").code is Code.TLS_FAILED


def test_a_private_authority_without_key_identifier_is_accepted(policy: ConnectPolicy, authority: Authority) -> None:
    """Private CAs often lack the Authority Key Identifier: with LEADMAIL_CA_FILE they serve on every Python."""
    with Scripted(imap({}), tls=authority.server("127.0.0.1")) as server:
        connect_imap(at(server.port, "tls"), password(SECRET), policy=policy).logout()


def test_a_refused_login_closes_the_socket(policy: ConnectPolicy) -> None:
    """No connection is left behind by a login that failed."""
    closed: list[bytes] = []

    def script(talk: Talk) -> None:
        try:
            imap({"AUTHENTICATE PLAIN": ["+ ", "{tag} NO no"]})(talk)
        except EOFError:
            closed.append(b"")

    with Scripted(script) as server:
        _refusal(server, policy)
        deadline = time.monotonic() + 5
        while not closed and time.monotonic() < deadline:
            time.sleep(0.01)
    assert closed


async def test_idle_keeps_what_comes_before_the_plus(policy: ConnectPolicy) -> None:
    """An untagged line before the continuation counts as an event, not as an error."""
    capability = "IMAP4rev1 AUTH=PLAIN IDLE"
    with Scripted(imap({"IDLE": "* 7 EXISTS\r\n+ idling\r\n* 8 EXISTS"}, capability=capability)) as server:
        session = ImapSession(connect_imap(at(server.port), password(SECRET), policy=policy))
        assert await session.idle() == [b"* 7 EXISTS"]
        session.discard()


async def test_notices_in_the_answer_to_examine_are_kept(policy: ConnectPolicy) -> None:
    """Cyrus reports a renamed folder, and changes in others, with the answer to any command: they are events, told once."""
    said = ['* LIST () "/" Bern (OLDNAME (Zurich))', "* STATUS Sent (MESSAGES 4 UIDNEXT 5)", "* OK [CLOSED] Ok"]
    folder = ["* 3 EXISTS", "* OK [UIDVALIDITY 7] Ok", "* OK [UIDNEXT 4] Ok", "{tag} OK [READ-ONLY] done"]
    with Scripted(imap({"EXAMINE": "\r\n".join([*said, *folder])})) as server:
        session = ImapSession(connect_imap(at(server.port), password(SECRET), policy=policy))
        assert (await session.examine(b"INBOX")).uidnext == 4
        events = MailboxEvents()
        for line in session.unsolicited():
            events.add(line)
        assert events.everything
        assert events.others == {b"Sent"}
        assert not events.new, "the number of messages answers the command"
        assert session.unsolicited() == []
        session.discard()


async def test_a_refused_idle_says_so(policy: ConnectPolicy) -> None:
    """A NO to IDLE raises instead of waiting for a continuation that never comes."""
    with Scripted(imap({"IDLE": "{tag} NO not now"}, capability="IMAP4rev1 AUTH=PLAIN IDLE")) as server:
        session = ImapSession(connect_imap(at(server.port), password(SECRET), policy=policy))
        with pytest.raises(RefusedError, match="not now"):
            await wait_for_events(session, MailboxEvents(), seconds=5, wake=Wakeup())
        assert not session.closed
        session.discard()


def test_shutdown_is_safe_on_a_dead_connection(policy: ConnectPolicy) -> None:
    """Discarding a connection that broke raises nothing."""
    with Scripted(imap({})) as server:
        client = connect_imap(at(server.port), password(SECRET), policy=policy)
        client.socket().shutdown(socket.SHUT_RDWR)
        client.shutdown()
        client.shutdown()
