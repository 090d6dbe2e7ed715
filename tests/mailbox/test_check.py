"""Trying an account's login at both its servers."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest

from schemas.accounts import ServerAddress, Tls
from services.mailbox.check import check_account
from services.mailbox.connection.credentials import password
from services.mailbox.connection.errors import Code
from services.mailbox.connection.policy import ConnectPolicy, Timeouts
from services.mailbox.providers import clean_credentials, directory
from testbed.local import LocalServers
from tests.mailbox.scripted_server import Scripted, Talk, at, imap, smtp

At = Callable[[Any, Tls], ServerAddress]
NewUser = Callable[..., Any]
SELECT = {"EXAMINE": "* 0 EXISTS\r\n{tag} OK [READ-ONLY] done"}


async def test_a_good_account_passes_and_leaves_no_trace(
    live: ConnectPolicy, imap_at: At, smtp_at: At, new_mail_user: NewUser, servers: LocalServers
) -> None:
    """Both servers say yes; no mail was sent or marked."""
    user = new_mail_user()
    before = len(servers.sink.sent())
    result = await check_account(imap_at(user, "tls"), smtp_at(user, "starttls"), password(user.password), policy=live)
    assert result.ok
    assert result.outgoing_checked
    assert len(servers.sink.sent()) == before


async def test_a_wrong_password_is_reported_for_both_servers(
    live: ConnectPolicy, imap_at: At, smtp_at: At, new_mail_user: NewUser
) -> None:
    """Each server's refusal has its code and a sentence with the user name, and the password is nowhere."""
    user = new_mail_user()
    result = await check_account(imap_at(user, "tls"), smtp_at(user, "tls"), password("wrong-secret"), policy=live)
    assert not result.ok
    for refusal in (result.incoming, result.outgoing):
        assert refusal is not None
        assert refusal.code is Code.WRONG_PASSWORD
        assert user.address in refusal.sentence
    assert "wrong-secret" not in repr(result)


async def test_one_server_of_two_may_refuse(
    live: ConnectPolicy, imap_at: At, smtp_at: At, new_mail_user: NewUser
) -> None:
    """A wrong outgoing server does not hide that the incoming one is right."""
    user = new_mail_user()
    wrong = smtp_at(user, "tls").model_copy(update={"port": 1})
    result = await check_account(imap_at(user, "tls"), wrong, password(user.password), policy=live)
    assert result.incoming is None
    assert result.outgoing is not None
    assert result.outgoing.code is Code.WRONG_SERVER
    assert "port 1" in result.outgoing.sentence


async def test_an_account_without_outgoing_server_can_be_checked(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser
) -> None:
    """Reading alone is enough to be synchronised."""
    user = new_mail_user()
    result = await check_account(imap_at(user, "tls"), None, password(user.password), policy=live)
    assert result.ok
    assert not result.outgoing_checked


async def test_gmails_demand_for_an_app_password_comes_with_its_steps(policy: ConnectPolicy) -> None:
    """The code, Google's own steps and page, and Google's words."""
    words = (
        "[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"
    )
    with Scripted(imap({"AUTHENTICATE PLAIN": ["+ ", f"{{tag}} NO {words}"]})) as server:
        result = await check_account(
            at(server.port), None, password("my own"), policy=policy, provider=directory().by_key["gmail"]
        )
    assert result.incoming is not None
    assert result.incoming.code is Code.APP_PASSWORD_NEEDED
    assert "Gmail" in result.incoming.sentence
    assert any("apppasswords" in step for step in result.incoming.steps)
    assert result.incoming.url.startswith("https://support.google.com/")
    assert result.incoming.answer.startswith("[ALERT]")


async def test_yahoos_bare_refusal_is_read_as_what_it_means(policy: ConnectPolicy) -> None:
    """Yahoo takes app passwords only but says "invalid credentials": an account password is reported as such."""
    with Scripted(
        imap({"AUTHENTICATE PLAIN": ["+ ", "{tag} NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials"]})
    ) as server:
        yahoo = directory().by_key["yahoo"]
        account = await check_account(at(server.port), None, password("Tr0ub4dor&3"), policy=policy, provider=yahoo)
        app = await check_account(at(server.port), None, password("abcd efgh ijkl mnop"), policy=policy, provider=yahoo)
    assert account.incoming is not None
    assert app.incoming is not None
    assert (account.incoming.code, app.incoming.code) == (Code.APP_PASSWORD_NEEDED, Code.WRONG_PASSWORD)


async def test_microsofts_refusal_means_oauth2(policy: ConnectPolicy) -> None:
    """Microsoft takes no passwords at all, whatever it says about this one."""
    with Scripted(imap({"AUTHENTICATE PLAIN": ["+ ", "{tag} NO AUTHENTICATE failed."]})) as server:
        result = await check_account(
            at(server.port), None, password("x"), policy=policy, provider=directory().by_key["microsoft365"]
        )
    assert result.incoming is not None
    assert result.incoming.code is Code.OAUTH2_NEEDED


async def test_neteases_unsafe_login_shows_when_the_inbox_is_opened(policy: ConnectPolicy) -> None:
    """The login passes and EXAMINE is refused: no account is saved that cannot be read."""
    answers = {"EXAMINE": "{tag} NO EXAMINE Unsafe Login. Please contact kefu@188.com for help"}
    with Scripted(imap(answers)) as server:
        result = await check_account(at(server.port), None, password("x"), policy=policy)
    assert result.incoming is not None
    assert result.incoming.code is Code.WEB_LOGIN_NEEDED


async def test_zohos_imap_that_is_off_comes_with_its_steps(policy: ConnectPolicy) -> None:
    """Disabled IMAP is reported with the steps to enable it."""
    words = "[ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)"
    with Scripted(imap({"AUTHENTICATE PLAIN": ["+ ", f"{{tag}} NO {words}"]})) as server:
        result = await check_account(
            at(server.port), None, password("x"), policy=policy, provider=directory().by_key["zoho"]
        )
    assert result.incoming is not None
    assert result.incoming.code is Code.IMAP_DISABLED
    assert any("IMAP Access" in step for step in result.incoming.steps)


async def test_refusing_a_private_server_reveals_nothing_about_the_network(policy: ConnectPolicy) -> None:
    """Without the operator's leave a server on loopback is not even connected to."""
    strict = dataclasses.replace(policy, guard=dataclasses.replace(policy.guard, allow=()))
    with Scripted(imap({})) as server:
        result = await check_account(at(server.port), at(server.port), password("x"), policy=strict)
        assert server.connections == 0
    for refusal in (result.incoming, result.outgoing):
        assert refusal is not None
        assert refusal.code is Code.NOT_PUBLIC
        assert "operator" in refusal.sentence


async def test_both_servers_are_tried_at_once(policy: ConnectPolicy) -> None:
    """Each server says nothing until the other has a connection too; one after the other, the first would never answer."""
    both = threading.Barrier(2)
    patient = dataclasses.replace(policy, timeouts=Timeouts(connect=60, read=60, login=60))

    def after_the_other(script: Callable[[Talk], None]) -> Callable[[Talk], None]:
        return lambda talk: script(talk) if both.wait(30) in (0, 1) else None

    with (
        Scripted(after_the_other(imap(SELECT))) as one,
        Scripted(after_the_other(smtp({"AUTH PLAIN": "235 ok"}))) as two,
    ):
        result = await check_account(at(one.port), at(two.port), password("x"), policy=patient)
    assert result.ok


async def test_silent_servers_are_distinguished_from_wrong_passwords(policy: ConnectPolicy) -> None:
    """A server that says nothing is a time-out, at both servers."""
    hurried = dataclasses.replace(policy, timeouts=Timeouts(connect=1, read=0.8, login=0.8))
    with Scripted(lambda talk: talk.hear() and None) as one, Scripted(lambda talk: talk.hear() and None) as two:
        result = await check_account(at(one.port), at(two.port), password("x"), policy=hurried)
    assert [refusal and refusal.code for refusal in (result.incoming, result.outgoing)] == [Code.TIMEOUT] * 2


async def test_app_passwords_are_tried_as_they_will_be_saved(policy: ConnectPolicy) -> None:
    """The spaces that Google displays are dropped, in what is sent and in what the caller saves."""
    gmail = directory().by_key["gmail"]
    assert clean_credentials(password("abcd efgh ijkl mnop"), gmail) == password("abcdefghijklmnop")
    with (
        Scripted(smtp({"AUTH PLAIN": "235 ok"})) as outgoing,
        Scripted(imap(SELECT, capability="IMAP4rev1")) as incoming,
    ):
        result = await check_account(
            at(incoming.port), at(outgoing.port), password("abcd efgh ijkl mnop"), policy=policy, provider=gmail
        )
        assert result.ok
        assert any('"abcdefghijklmnop"' in line for line in incoming.heard)


@pytest.mark.parametrize("host", ["imap.example.com\r\nX", "a b", "user@host"])
async def test_an_invalid_server_name_has_its_own_message(policy: ConnectPolicy, host: str) -> None:
    """A typed name with odd characters gets a sentence about the name."""
    result = await check_account(at(993, "tls", host=host), None, password("x"), policy=policy)
    assert result.incoming is not None
    assert result.incoming.code is Code.WRONG_SERVER
    assert result.incoming.sentence.startswith("The server name")
