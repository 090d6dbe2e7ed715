"""Logging in to submission servers and sending through them: the real sink, and servers that behave as some do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.accounts import ServerAddress, Tls
from services.mailbox.connection.credentials import OAuth2Credentials, password
from services.mailbox.connection.errors import Code, MailServerError
from services.mailbox.connection.line_breaks import InjectionError
from services.mailbox.connection.policy import ConnectPolicy, Timeouts
from services.mailbox.smtp.connect import RejectedError, close_smtp, connect_smtp, send
from services.mailbox.smtp.relay import Relay, parse_relay, submit
from testbed.local import LocalServers
from tests.mailbox.scripted_server import Authority, Scripted, at, black_hole, decoded, smtp

At = Callable[[Any, Tls], ServerAddress]
NewUser = Callable[..., Any]
SECRET = "s3cret-of-ann"
TOKEN = OAuth2Credentials(access_token=SecretStr("ya29.token"))
MESSAGE = b"Subject: hello\r\nFrom: a@example.test\r\n\r\n.dot\r\nbody\r\n"


async def _refusal(
    server: Scripted, policy: ConnectPolicy, tls: Tls = "none", credentials: Any = None
) -> MailServerError:
    with pytest.raises(MailServerError) as refused:
        await connect_smtp(at(server.port, tls), credentials or password(SECRET), policy=policy)
    assert SECRET not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("tls", ["tls", "starttls", "none"])
async def test_a_login_succeeds_and_sends_nothing(
    live: ConnectPolicy, smtp_at: At, new_mail_user: NewUser, servers: LocalServers, tls: Tls
) -> None:
    """By TLS, by STARTTLS and (where allowed) without, the login is tried and no mail goes out."""
    user = new_mail_user()
    before = len(servers.sink.sent())
    client = await connect_smtp(smtp_at(user, tls), password(user.password), policy=live)
    assert (client.get_transport_info("sslcontext") is not None) == (tls != "none")
    await close_smtp(client)
    assert len(servers.sink.sent()) == before


async def test_a_wrong_password_is_reported_as_such(live: ConnectPolicy, smtp_at: At, new_mail_user: NewUser) -> None:
    """The refusal has its code and does not show the password."""
    user = new_mail_user()
    with pytest.raises(MailServerError) as refused:
        await connect_smtp(smtp_at(user, "tls"), password("wrong-secret"), policy=live)
    assert refused.value.code is Code.WRONG_PASSWORD
    assert "wrong-secret" not in str(refused.value)


async def test_an_unknown_certificate_is_refused(live: ConnectPolicy, smtp_at: At, new_mail_user: NewUser) -> None:
    """Without the private authority neither TLS nor STARTTLS comes up, and the password stays here."""
    user = new_mail_user()
    stranger = dataclasses.replace(ConnectPolicy.build(), guard=live.guard)
    for tls in ("tls", "starttls"):
        with pytest.raises(MailServerError) as refused:
            await connect_smtp(smtp_at(user, tls), password(user.password), policy=stranger)
        assert refused.value.code is Code.CERTIFICATE


async def test_the_certificate_must_carry_the_typed_name(
    live: ConnectPolicy, smtp_at: At, new_mail_user: NewUser
) -> None:
    """A server that is reached under another name than its certificate's is refused."""
    user = new_mail_user()
    elsewhere = dataclasses.replace(live, guard=dataclasses.replace(live.guard, resolve=lambda _name: ["127.0.0.1"]))
    for tls in ("tls", "starttls"):
        server = smtp_at(user, tls).model_copy(update={"host": "smtp.example.com"})
        with pytest.raises(MailServerError) as refused:
            await connect_smtp(server, password(user.password), policy=elsewhere)
        assert refused.value.code is Code.CERTIFICATE


async def test_plain_text_needs_the_operators_leave(live: ConnectPolicy, smtp_at: At, new_mail_user: NewUser) -> None:
    """Without LEADMAIL_ALLOW_PLAINTEXT there is no connection without encryption."""
    user = new_mail_user()
    with pytest.raises(MailServerError) as refused:
        await connect_smtp(
            smtp_at(user, "none"), password(user.password), policy=dataclasses.replace(live, allow_plaintext=False)
        )
    assert refused.value.code is Code.PLAINTEXT_REFUSED


async def test_a_message_arrives_as_it_was_given(
    live: ConnectPolicy, smtp_at: At, new_mail_user: NewUser, servers: LocalServers
) -> None:
    """What is sent after the login reaches the server byte by byte, dots and all."""
    user = new_mail_user()
    client = await connect_smtp(smtp_at(user, "tls"), password(user.password), policy=live)
    await send(client, MESSAGE, sender="a@example.test", recipients=[user.address])
    await close_smtp(client)
    [mail] = [sent for sent in servers.sink.sent() if user.address in sent.recipients]
    assert mail.raw == MESSAGE


async def test_starttls_that_is_not_offered_ends_the_connection(policy: ConnectPolicy) -> None:
    """There is no fall-back to plain text."""
    with Scripted(smtp({})) as server:
        assert (await _refusal(server, policy, "starttls")).code is Code.TLS_FAILED
        assert not any(line.startswith("AUTH") for line in server.heard)


async def test_a_wrong_password_is_tried_once(policy: ConnectPolicy) -> None:
    """One refusal is one try: no walk through every mechanism, which would lock the account."""
    with Scripted(smtp({"AUTH": "535 5.7.8 Error: authentication failed"})) as server:
        assert (await _refusal(server, policy)).code is Code.WRONG_PASSWORD
        assert len([line for line in server.heard if line.startswith("AUTH")]) == 1


async def test_plain_is_utf8(policy: ConnectPolicy) -> None:
    """AUTH PLAIN carries letters beyond ASCII as UTF-8."""
    with Scripted(smtp({"AUTH PLAIN": "235 welcome"})) as server:
        await close_smtp(await connect_smtp(at(server.port), password("pässwörd"), policy=policy))
        [line] = [line for line in server.heard if line.startswith("AUTH")]
        assert decoded(line.split()[2]) == "\0ann@example.test\0pässwörd".encode()


async def test_login_answers_the_prompts(policy: ConnectPolicy) -> None:
    """Where only LOGIN is offered, name and password answer its two prompts."""
    answers = {"AUTH LOGIN": ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 welcome"]}
    with Scripted(smtp(answers, extensions=["AUTH LOGIN"])) as server:
        await close_smtp(await connect_smtp(at(server.port), password(SECRET), policy=policy))
        assert [decoded(line) for line in server.heard[2:4]] == [b"ann@example.test", SECRET.encode()]


async def test_a_refused_token_is_answered_and_reported(policy: ConnectPolicy) -> None:
    """The error challenge of XOAUTH2 gets its empty reply, and the refusal is about the token."""
    answers = {"AUTH XOAUTH2": ["334 eyJzdGF0dXMiOiI0MDAifQ==", "535 5.7.8 Username and Password not accepted"]}
    with Scripted(smtp(answers, extensions=["AUTH LOGIN XOAUTH2"])) as server:
        refusal = await _refusal(server, policy, credentials=TOKEN)
        assert refusal.code is Code.OAUTH2_EXPIRED
        assert server.heard[2] == ""


async def test_tokens_only_asks_for_oauth2(policy: ConnectPolicy) -> None:
    """A server without password mechanisms never sees the password."""
    with Scripted(smtp({}, extensions=["AUTH XOAUTH2"])) as server:
        assert (await _refusal(server, policy)).code is Code.OAUTH2_NEEDED
        assert not any(line.startswith("AUTH") for line in server.heard)


async def test_a_server_without_a_login_is_reported(policy: ConnectPolicy, authority: Authority) -> None:
    """Port 25 offers no login: in plain text it may be the encryption, otherwise it is the wrong port."""
    with Scripted(smtp({}, extensions=["SIZE 1000"])) as server:
        assert (await _refusal(server, policy)).code is Code.PLAINTEXT_REFUSED
    with Scripted(smtp({}, extensions=["SIZE 1000"]), tls=authority.server("127.0.0.1")) as server:
        assert (await _refusal(server, policy, "tls")).code is Code.WRONG_SERVER


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        ("421 4.7.0 Try again later", Code.UNAVAILABLE),
        ("421 Too many connections from your address", Code.TOO_MANY_CONNECTIONS),
        ("* OK IMAP4rev1 ready", Code.WRONG_SERVER),
        ("554 no service for you", Code.WRONG_SERVER),
    ],
)
async def test_an_invalid_greeting_is_reported(policy: ConnectPolicy, greeting: str, code: Code) -> None:
    """Busy servers, refusing servers and other protocols have different codes."""
    with Scripted(smtp({}, greeting=greeting)) as server:
        assert (await _refusal(server, policy)).code is code


async def test_silence_and_black_holes_end_in_time(policy: ConnectPolicy) -> None:
    """A server that says nothing, or is not there at all, costs the time given and no more."""
    hurried = dataclasses.replace(policy, timeouts=Timeouts(connect=0.3, read=0.3, login=0.3))
    with Scripted(lambda talk: talk.hear() and None) as server:
        assert (await _refusal(server, hurried)).code is Code.TIMEOUT
    with black_hole() as port, pytest.raises(MailServerError) as refused:
        await connect_smtp(at(port), password(SECRET), policy=hurried)
    assert refused.value.code is Code.TIMEOUT


async def test_a_server_that_hangs_up_is_unavailable(policy: ConnectPolicy) -> None:
    """A connection that ends without a word may work later."""
    with Scripted(lambda _talk: None) as server:
        assert (await _refusal(server, policy)).code is Code.UNAVAILABLE


async def test_line_breaks_never_reach_the_wire(policy: ConnectPolicy) -> None:
    """CR LF in a password or an address is refused before anything is sent."""
    with Scripted(smtp({"AUTH": "235 welcome"})) as server:
        await _refusal(server, policy, credentials=password("x\r\nMAIL FROM:<>"))
        client = await connect_smtp(at(server.port), password(SECRET), policy=policy)
        with pytest.raises(InjectionError):
            await send(client, MESSAGE, sender="a@example.test", recipients=["b@example.test>\r\nDATA"])
        await close_smtp(client)
        assert not any(line.startswith(("MAIL", "DATA")) for line in server.heard)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "login"),
    [
        ("smtp://mail.example.com", "mail.example.com", 587, "starttls", None),
        ("smtp://ann:p%40ss@mail.example.com:587?tls=starttls", "mail.example.com", 587, "starttls", ("ann", "p@ss")),
        ("smtp://ann%40example.com:x@mail.example.com:465", "mail.example.com", 465, "tls", ("ann@example.com", "x")),
        ("smtp://mail.example.com?tls=implicit", "mail.example.com", 465, "tls", None),
        ("smtps://mail.example.com", "mail.example.com", 465, "tls", None),
        ("smtp://127.0.0.1:2525?tls=none", "127.0.0.1", 2525, "none", None),
        ("smtp://relay?tls=none", "relay", 25, "none", None),
        ("smtp://[::1]:25?tls=none", "::1", 25, "none", None),
    ],
)
def test_the_relays_url_is_read(url: str, host: str, port: int, tls: Tls, login: tuple[str, str] | None) -> None:
    """LEADMAIL_SMTP_URL names server, port, encryption and login, with the usual defaults."""
    relay = parse_relay(url)
    assert (relay.server.host, relay.server.port, relay.server.tls) == (host, port, tls)
    if login is None:
        assert relay.credentials is None
    else:
        assert relay.credentials is not None
        assert (relay.server.username, relay.credentials.password.get_secret_value()) == login


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.com",
        "http://x",
        "smtp://",
        "smtp://ann:s3cret@h?tls=maybe",
        "smtp://ann@h",
        "smtp://ann:s3cret@h:x",
    ],
)
def test_a_wrong_relay_url_is_named_without_its_password(url: str) -> None:
    """A wrong setting stops the start with its name and form, never with the password in it."""
    with pytest.raises(ValueError, match="LEADMAIL_SMTP_URL") as wrong:
        parse_relay(url)
    assert "s3cret" not in str(wrong.value)


def _relay(servers: LocalServers, tls: Tls, user: Any = None) -> Relay:
    port = servers.smtp.tls_port if tls == "tls" else servers.smtp.port
    server = ServerAddress(host=servers.smtp.host, port=port, tls=tls, username=user.address if user else "")
    return Relay(server=server, credentials=password(user.password) if user else None)


@pytest.mark.parametrize("tls", ["tls", "starttls", "none"])
async def test_the_relay_takes_notifications(servers: LocalServers, new_mail_user: NewUser, tls: Tls) -> None:
    """The operator's relay may be in a private network. Its certificate is verified. Without credentials, plain text is allowed."""
    user = new_mail_user()
    policy = ConnectPolicy.build(ca_file=servers.smtp.ca_file)
    login = None if tls == "none" else user
    await submit(
        _relay(servers, tls, login), MESSAGE, sender="noreply@example.test", recipients=[user.address], policy=policy
    )
    [mail] = [sent for sent in servers.sink.sent() if user.address in sent.recipients]
    assert mail.raw == MESSAGE
    assert mail.sender == "noreply@example.test"


async def test_the_relays_password_never_travels_in_plain_text(servers: LocalServers, new_mail_user: NewUser) -> None:
    """A relay URL with a password and tls=none is refused unless plain text is allowed."""
    user = new_mail_user()
    with pytest.raises(MailServerError) as refused:
        await submit(
            _relay(servers, "none", user),
            MESSAGE,
            sender="a@example.test",
            recipients=[user.address],
            policy=ConnectPolicy.build(),
        )
    assert refused.value.code is Code.PLAINTEXT_REFUSED


@pytest.mark.parametrize(("reply", "transient"), [("451 4.3.0 try later", True), ("550 5.1.1 no such user", False)])
async def test_a_refused_message_says_whether_to_try_again(
    servers: LocalServers, new_mail_user: NewUser, reply: str, *, transient: bool
) -> None:
    """4xx is for later, 5xx is for good, at the recipient and at the data."""
    user = new_mail_user()
    policy = ConnectPolicy.build(ca_file=servers.smtp.ca_file)
    for where in ("rcpt", "data"):
        with servers.sink.fault(reply, at=where, recipient=user.address), pytest.raises(RejectedError) as rejected:
            await submit(
                _relay(servers, "tls"), MESSAGE, sender="a@example.test", recipients=[user.address], policy=policy
            )
        assert rejected.value.transient is transient
        assert str(rejected.value.code) == reply[:3]


async def test_a_dead_relay_is_worth_another_try(servers: LocalServers) -> None:
    """A relay that is down raises an error about the connection, not about the message."""
    with servers.down("smtp"), pytest.raises(MailServerError) as refused:
        await submit(
            _relay(servers, "tls"),
            MESSAGE,
            sender="a@example.test",
            recipients=["b@example.test"],
            policy=ConnectPolicy.build(),
        )
    assert refused.value.code in {Code.WRONG_SERVER, Code.UNAVAILABLE}
