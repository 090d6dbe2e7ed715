"""``leadmail account add --sign-in`` and ``account login``: with a browser on this machine, or a code on another one."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from schemas.accounts import Account, AccountState, ProofKind
from services.mailbox.connection import OAuth2Credentials
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from testbed.processes.ports import free_port
from tests import oauth
from tests.cli.fixtures import Deployment, Done
from tests.conftest import MailUser

OWNER = "boss@nw.example"


@pytest.fixture
def deployment(empty: Deployment, servers: LocalServers, identity: IdentityServer) -> Deployment:
    """A deployment with the identity server as its own sign-in service, and one user."""
    empty.environment |= oauth.settings(servers)
    empty.ok("user", "add", OWNER)
    return empty


@pytest.fixture
def user(new_mail_user: Callable[..., MailUser]) -> MailUser:
    """Whose mailbox it is."""
    return new_mail_user("anna")


@pytest.fixture
def browser(identity: IdentityServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that lets a user sign in when a browser opens."""

    def use(user: MailUser, *, deny: bool = False, forged: bool = False) -> None:
        def open_page(url: str) -> bool:
            back = identity.sign_in(url, user.address, user.password, deny=deny)
            with httpx.Client(trust_env=False) as client:
                if forged:
                    assert client.get(back.partition("?")[0] + "?code=stolen&state=wrong").status_code == 404
                    assert client.get(back.partition("?")[0] + "favicon.ico").status_code == 404
                assert client.get(back).status_code == 200
            return True

        monkeypatch.setattr(webbrowser, "get", lambda: None)
        monkeypatch.setattr(webbrowser, "open", open_page)

    return use


def add(deployment: Deployment, *options: str) -> Done:
    """Connect a mailbox by a sign-in."""
    port = str(free_port())
    command = ("account", "add", "--owner", OWNER, "--sign-in", "generic", "--sharing", "public")
    return deployment.run(*command, "--redirect-port", port, *options, SSH_CONNECTION="")


def stored(deployment: Deployment, address: str) -> tuple[Account, Any]:
    """Return an account as it is stored, and what opens it."""

    async def find(store: Any, box: Any) -> tuple[Account, Any]:
        account = await store.accounts.find(address)
        return account, box.open(account.id, account.credentials)

    return deployment.store(find)


def test_with_a_browser(
    deployment: Deployment, identity: IdentityServer, browser: Callable[..., None], user: MailUser
) -> None:
    """The service says which mailbox it is, which proves the address; another page's answer to the port is not taken."""
    browser(user, forged=True)
    done = add(deployment, "--alias", "sales@example.test")
    assert done.code == 0, done.errors
    assert f"{user.address} is connected for {OWNER}" in done.out
    account, credentials = stored(deployment, user.address)
    assert account.unproven == ("sales@example.test",)
    assert account.proof_of(user.address) is ProofKind.OAUTH
    assert account.grant
    assert account.refresh_at is not None
    assert isinstance(credentials, OAuth2Credentials)
    assert credentials.refresh_token is not None
    for secret in (credentials.access_token, credentials.refresh_token):
        assert secret.get_secret_value() not in done.out + done.errors
    assert deployment.run("account", "test", user.address).code == 0
    deployment.ok("account", "remove", user.address, "--yes")
    assert user.address not in identity.signed_in()


def test_with_a_code(deployment: Deployment, identity: IdentityServer, user: MailUser) -> None:
    """Without a browser, the user enters a code elsewhere."""
    known = set(identity.codes())
    result: list[Done] = []
    command = threading.Thread(target=lambda: result.append(add(deployment, "--device", "--json")))
    command.start()
    while not (codes := set(identity.codes()) - known):
        assert command.is_alive(), result
    identity.enter_code(codes.pop(), user.address, user.password)
    command.join()
    assert result[0].code == 0, result[0].errors
    assert result[0].json()["address"] == user.address
    assert f"Open {identity.issuer}/device" in result[0].errors


def test_another_mailbox_than_the_typed_one(
    deployment: Deployment, browser: Callable[..., None], user: MailUser
) -> None:
    """What was typed never becomes the address."""
    browser(user)
    done = add(deployment, "--email", "other@example.test")
    assert (done.code, f"signed in as {user.address}, not as other@example.test" in done.errors) == (1, True)
    assert "There are no accounts yet" in deployment.ok("account", "list")


def test_a_user_who_declines(deployment: Deployment, browser: Callable[..., None], user: MailUser) -> None:
    """The sentence says what to do."""
    browser(user, deny=True)
    done = add(deployment)
    assert done.code == 1
    assert "asks you to allow Leadmail" in done.errors
    assert "access_denied" in done.errors


def test_signing_in_again(
    deployment: Deployment,
    browser: Callable[..., None],
    user: MailUser,
    new_mail_user: Callable[..., MailUser],
) -> None:
    """A blocked mailbox becomes active; another mailbox's sign-in changes nothing."""
    browser(user)
    assert add(deployment).code == 0
    before, _ = stored(deployment, user.address)

    async def block(store: Any, _: Any) -> None:
        (lease,) = await store.leases.acquire("test", 10)
        assert await store.account_troubles.block(lease, "oauth2-expired", tried=before.credentials)
        await store.leases.release([lease])

    deployment.store(block)
    command = ("account", "login", user.address, "--redirect-port", str(free_port()))
    browser(new_mail_user())
    wrong = deployment.run(*command, SSH_CONNECTION="")
    assert (wrong.code, "but this mailbox is" in wrong.errors) == (1, True)
    assert stored(deployment, user.address)[0].state is AccountState.BLOCKED
    browser(user)
    done = deployment.run(*command, SSH_CONNECTION="")
    assert done.code == 0, done.errors
    twice = add(deployment)
    assert (twice.code, "to sign in again, run `leadmail account login" in twice.errors) == (1, True)
    after, _ = stored(deployment, user.address)
    assert (after.state, after.id) == (AccountState.ACTIVE, before.id)
    assert after.grant not in {"", before.grant}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--sign-in", "google"), "there is no sign-in at 'google': choose one of generic"),
        (("--email", "anna@outlook.com", "--password-stdin"), "set LEADMAIL_MICROSOFT_CLIENT_ID"),
    ],
)
def test_a_service_that_is_not_set_up(deployment: Deployment, options: tuple[str, ...], why: str) -> None:
    """The message says what the operator has to set."""
    done = deployment.run("account", "add", "--owner", OWNER, "--sharing", "public", *options, stdin="x")
    assert done.code in {1, 2}
    assert why in done.errors


def test_a_service_that_is_set_up_in_part(deployment: Deployment) -> None:
    """The sentence names what is missing."""
    del deployment.environment["LEADMAIL_OAUTH_IMAP"]
    done = add(deployment)
    assert (done.code, "set LEADMAIL_OAUTH_ISSUER" in done.errors) == (2, True)


def test_in_our_own_name(deployment: Deployment, identity: IdentityServer, user: MailUser) -> None:
    """Nobody signs in. The login name is the address, which proves nothing at a server that its domain does not declare."""
    command = (
        "account",
        "add",
        "--owner",
        OWNER,
        "--email",
        user.address,
        "--app-only",
        "generic",
        "--sharing",
        "public",
    )
    done = deployment.run(*command)
    assert (done.code, "opens no mailboxes of 'generic' in its own name: none is set up" in done.errors) == (2, True)
    deployment.environment["LEADMAIL_OAUTH_SERVICE_ACCOUNT"] = identity.service_account(scopes=())
    done = deployment.run(*command)
    assert (done.code, "add the client id of the service account" in done.errors.replace("\n", " ")) == (1, True)
    deployment.environment["LEADMAIL_OAUTH_SERVICE_ACCOUNT"] = key = identity.service_account()
    done = deployment.run(*command)
    assert done.code == 0, done.errors
    account, credentials = stored(deployment, user.address)
    assert (account.app_only, account.outgoing, account.unproven) == (True, None, (user.address,))
    assert (credentials.mailbox, credentials.refresh_token) == (user.address, None)
    assert account.refresh_at is not None
    assert deployment.run("account", "test", user.address).code == 0
    identity.set(expire=[user.address])
    assert deployment.run("account", "test", user.address).code == 0, "another token was asked for"
    assert "already connected" in deployment.run(*command).errors
    revoked = identity.asked().count("revoke")
    deployment.ok("account", "remove", user.address, "--yes")
    assert identity.asked().count("revoke") == revoked
    assert key not in done.out + done.errors


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"LEADMAIL_GOOGLE_SERVICE_ACCOUNT": "{}"}, "it is not the JSON key file of a service account"),
        ({"LEADMAIL_MICROSOFT_APP_CLIENT_ID": "6731de76"}, "set all three"),
        ({"LEADMAIL_OAUTH_SERVICE_ACCOUNT": "key", "LEADMAIL_OAUTH_IMAP": ""}, "set LEADMAIL_OAUTH_IMAP"),
    ],
)
def test_own_name_that_is_set_up_in_part(
    deployment: Deployment, identity: IdentityServer, changes: dict[str, str], why: str
) -> None:
    """The sentence names what is wrong or missing, and nothing of a key."""
    filled = {name: identity.service_account() if value == "key" else value for name, value in changes.items()}
    del deployment.environment["LEADMAIL_OAUTH_CLIENT_ID"]
    command = ("account", "add", "--owner", OWNER, "--email", OWNER, "--sharing", "public", "--app-only", "google")
    done = deployment.run(*command, **filled)
    assert (done.code, why in done.errors) == (2, True), done.errors
    assert "PRIVATE" not in done.errors
