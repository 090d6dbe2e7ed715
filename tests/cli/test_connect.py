"""``leadmail account add``: scripted and guided, on a real mail server."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.accounts import Account
from services.cli.results import accounts as results
from services.usecases.connecting.servers import ServerChoice
from testbed.local import LocalServers
from tests.cli.fixtures import Deployment, check_result

ROOT = Path(__file__).parents[2]
DEADLINE = 40.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def owner(empty: Deployment, new_mail_user: Callable[..., Any]) -> Any:
    """A mail user who is a user of the CRM, too."""
    user = new_mail_user("anna")
    empty.ok("user", "add", user.address)
    return user


def servers_of(servers: LocalServers, tls: str = "none") -> tuple[str, ...]:
    """Return the options that name the real servers."""
    imap, smtp = servers.imap, servers.smtp
    ports = (imap.tls_port, smtp.tls_port) if tls == "tls" else (imap.port, smtp.port)
    return (
        *("--imap-host", imap.host, "--imap-port", str(ports[0]), "--imap-tls", tls),
        *("--smtp-host", smtp.host, "--smtp-port", str(ports[1]), "--smtp-tls", tls),
    )


def add(user: Any, *options: str) -> tuple[str, ...]:
    """Return the command with what a script always gives."""
    return ("account", "add", "--owner", user.address, "--email", user.address, "--password-stdin", *options)


def saved(deployment: Deployment, address: str) -> Account:
    """Return the account as it is stored."""

    async def find(store: Any, _: Any) -> Account:
        found: Account = await store.accounts.find(address)
        return found

    return deployment.store(find)


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
def test_scripted(empty: Deployment, servers: LocalServers, owner: Any, tls: str) -> None:
    """The login is tried at both servers, the password sealed, the policy saved, and the account exists."""
    options = (
        *servers_of(servers, tls),
        "--sharing",
        "custom",
        "--exclude-domain",
        "law.example",
        "--alias",
        "A@nw.example",
    )
    said = empty.ok(*add(owner, *options), stdin=f"{owner.password}\n")
    assert f"{owner.address} is connected for {owner.address}, shared as custom." in said
    account = saved(empty, owner.address)
    assert (account.aliases, account.sharing.excluded_domains) == (("a@nw.example",), ("law.example",))
    assert (account.incoming.tls, account.resync_requested) == (tls, True)
    assert owner.password.encode() not in account.credentials.ciphertext
    assert empty.run("account", "test", owner.address).code == 0


def test_as_json(empty: Deployment, servers: LocalServers, owner: Any) -> None:
    """Standard output has nothing but the account."""
    options = (*servers_of(servers), "--sharing", "private", "--json")
    done = empty.run(*add(owner, *options), stdin=owner.password)
    check_result(done.out, results.AccountResult)
    assert owner.password not in done.out + done.errors


def test_a_wrong_password(empty: Deployment, servers: LocalServers, owner: Any) -> None:
    """Nothing is saved; our sentence and the server's words are shown, but not the password."""
    done = empty.run(*add(owner, *servers_of(servers), "--sharing", "public"), stdin="hunter2-wrong")
    assert done.code == 1
    assert "did not accept the user name and password" in done.errors
    assert done.errors.endswith("leadmail: nothing was saved.\n")
    assert "hunter2" not in done.out + done.errors
    assert "There are no accounts yet" in empty.ok("account", "list")


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        ((), 2, "--sharing is missing"),
        (("--sharing", "custom", "--exclude-domain", "com"), 2, "public suffix"),
        (("--sharing", "public", "--exclude-domain", "a.example"), 2, "goes with --sharing custom"),
        (("--sharing", "public", "--provider", "gmial"), 2, "there is no provider 'gmial': choose one of"),
        (("--sharing", "public", "--alias", "nobody"), 2, "'nobody' is not an e-mail address"),
        (("--sharing", "public", "--imap-host", "127.0.0.1", "--no-smtp", "--imap-port", "1"), 1, "did not answer"),
    ],
)
def test_refused_before_a_password_is_used(
    empty: Deployment, owner: Any, options: tuple[str, ...], code: int, why: str
) -> None:
    """A script's mistake gives one sentence, and no account is saved."""
    done = empty.run(*add(owner, *options), stdin=owner.password)
    assert done.code == code
    assert why in done.errors or "no imap server" in done.errors.lower()
    assert "There are no accounts yet" in empty.ok("account", "list")


def test_microsoft_takes_no_passwords(empty: Deployment, owner: Any) -> None:
    """Users are not asked for a password that cannot work."""
    done = empty.run("account", "add", "--owner", owner.address, "--email", "anna@outlook.com", "--sharing", "public",
                     "--password-stdin", stdin="x")  # fmt: skip
    assert done.code == 1
    assert "accepts no passwords, only its own sign-in (OAuth2)" in done.errors


def test_plaintext_and_private_networks_only_by_permission(
    empty: Deployment, servers: LocalServers, owner: Any
) -> None:
    """Without the operator's permission there is no connection, and no password is sent."""
    command = add(owner, *servers_of(servers), "--sharing", "public")
    plaintext = empty.run(*command, stdin=owner.password, LEADMAIL_ALLOW_PLAINTEXT="false")
    assert "without encryption" in plaintext.errors
    private = empty.run(*command, stdin=owner.password, LEADMAIL_ALLOW_NETWORKS="")
    assert "only after the operator of Leadmail has allowed it" in private.errors
    assert {plaintext.code, private.code} == {1}


def test_twice(empty: Deployment, servers: LocalServers, owner: Any) -> None:
    """A mailbox is connected once; after a disconnect the same account is connected again, with the sharing chosen now."""
    command = add(owner, *servers_of(servers), "--sharing", "public")
    empty.ok(*command, stdin=owner.password)
    first = saved(empty, owner.address)
    assert "is already connected" in empty.run(*command, stdin=owner.password).errors
    empty.ok("account", "remove", owner.address, "--yes")
    empty.ok(*command[:-1], "private", stdin=owner.password)
    again = saved(empty, owner.address)
    assert (again.id, again.created_at, again.sharing.mode) == (first.id, first.created_at, "private")
    assert (again.state, again.resync_requested) == ("active", True)
    assert empty.run("account", "test", owner.address).code == 0


def test_a_new_password(empty: Deployment, servers: LocalServers, owner: Any) -> None:
    """It is tried first; a wrong one changes nothing, a correct one is saved."""
    empty.ok(*add(owner, *servers_of(servers), "--sharing", "public"), stdin=owner.password)
    servers.add_user(owner.address, "another-password-of-hers")
    assert empty.run("account", "test", owner.address).code == 1
    wrong = empty.run("account", "password", owner.address, "--password-stdin", stdin="still-wrong")
    assert (wrong.code, "nothing was changed" in wrong.errors) == (1, True)
    empty.ok("account", "password", owner.address, "--password-stdin", stdin="another-password-of-hers")
    assert empty.run("account", "test", owner.address).code == 0
    assert empty.run("account", "password", owner.address).errors.startswith("leadmail: the password is missing")


def test_another_login_for_the_same_mailbox(
    empty: Deployment, servers: LocalServers, owner: Any, new_mail_user: Callable[..., Any]
) -> None:
    """Servers, login name and password change together or one by one, if they work; everything else of the account stays."""
    empty.ok(*add(owner, *servers_of(servers), "--sharing", "private"), stdin=owner.password)
    before = saved(empty, owner.address)
    change = ("account", "change", owner.address)
    assert empty.run(*change).code == 2

    imap = servers.imap
    wrong = empty.run(*change, "--imap-port", "1")
    assert (wrong.code, "nothing was changed" in wrong.errors) == (1, True)
    assert saved(empty, owner.address) == before
    empty.ok(*change, "--imap-port", str(imap.tls_port), "--imap-tls", "tls")
    tls = saved(empty, owner.address)
    assert (tls.incoming.port, tls.incoming.tls, tls.incoming.host) == (imap.tls_port, "tls", imap.host)
    assert tls.outgoing == before.outgoing

    moved = new_mail_user("moved")
    refused = empty.run(*change, "--username", moved.address, "--password-stdin", stdin="wrong")
    assert (refused.code, saved(empty, owner.address)) == (1, tls)
    empty.ok(*change, "--username", moved.address, "--password-stdin", stdin=moved.password)
    after = saved(empty, owner.address)
    assert after.incoming.username == after.outgoing.username == moved.address  # type: ignore[union-attr]
    same = {"incoming": None, "outgoing": None, "credentials": None, "provider": None}
    assert after.model_dump(exclude=set(same)) == before.model_dump(exclude=set(same))
    assert empty.run("account", "test", owner.address).code == 0


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ServerChoice(None, None, None), ("found.example", 993, "tls")),
        (ServerChoice("typed.example", None, None), ("typed.example", 993, "tls")),
        (ServerChoice("typed.example", None, "starttls"), ("typed.example", 143, "starttls")),
        (ServerChoice(None, 1993, None), ("found.example", 1993, "tls")),
        (ServerChoice(None, None, "starttls"), ("found.example", 143, "starttls")),
    ],
)
def test_typed_parts_over_found_ones(choice: ServerChoice, expected: tuple[str, int, str]) -> None:
    """What the user types takes precedence; the rest is discovered, or the default for what was typed."""
    found = ServerChoice("found.example", 993, "tls").over(None, "imap", "anna")
    server = choice.over(found, "imap", "anna")
    assert server is not None
    assert (server.host, server.port, server.tls) == expected


class Terminal:
    """A user at a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.seen = ""

    def answer(self, question: str, answer: str) -> None:
        """Wait for a question after the output seen so far, and type an answer."""
        self.wait_for(question)
        os.write(self._descriptor, f"{answer}\r".encode())

    def answer_hidden(self, question: str, answer: str) -> None:
        """Answer a question without echo. The terminal discards input that arrives before the echo is off."""
        self.wait_until_hidden(question)
        os.write(self._descriptor, f"{answer}\r".encode())

    def wait_until_hidden(self, question: str) -> None:
        """Wait for a question without echo, until it is off: only then the command reads, and can be interrupted."""
        self.wait_for(question)
        end = time.monotonic() + DEADLINE
        while termios.tcgetattr(self._descriptor)[3] & termios.ECHO:
            assert time.monotonic() < end
            time.sleep(0.01)

    def wait_for(self, words: str) -> None:
        """Wait until the terminal shows a text."""
        end = time.monotonic() + DEADLINE
        new = ""
        while words not in " ".join(new.split()):
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {words!r} in time after:\n{self.seen}{new}"
            try:
                new += ESCAPES.sub("", os.read(self._descriptor, 65536).decode("utf-8", "replace"))
            except OSError:  # the other side is closed
                raise AssertionError(f"ended without {words!r}:\n{self.seen}{new}") from None
        self.seen += new


@contextmanager
def terminal(deployment: Deployment, *arguments: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Run ``leadmail`` as a process at a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **deployment.environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours), process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_guided(empty: Deployment, servers: LocalServers, owner: Any) -> None:
    """It asks for everything, repeats a question after a wrong answer, lets a refused login be corrected, and hides the password."""
    imap = servers.imap
    with terminal(empty, "account", "add", "--no-smtp") as (person, process):
        person.answer("Owner of the mailbox", "nobody@nw.example")
        person.answer("there is no user nobody@nw.example", owner.address)
        person.answer("1 Gmail, Google Workspace", "hotmail")
        person.answer("enter a number from 1 to", "other")
        person.answer("Address of the mailbox", "")
        person.answer("Incoming server", "not a name")
        person.answer("such as imap.example.com", imap.host)
        person.answer("Incoming encryption", "none")
        person.answer("Incoming port [143]", "70000")
        person.answer("from 1 to 65535", str(imap.port))
        person.answer("Incoming user name", "")
        person.answer_hidden("Password of", "a-wrong-password")
        person.answer("did not accept the user name and password", "y")
        person.answer("Are these right?", "y")
        person.answer_hidden("Password of", owner.password)
        person.answer("Sharing [public]", "everybody")
        person.answer("choose public, custom or private", "custom")
        person.answer("Domains to exclude", "co.uk")
        person.answer("is a public suffix", "law.example, bank.example")
        person.wait_for("is connected for")
        assert process.wait(DEADLINE) == 0
    assert owner.password not in person.seen
    assert saved(empty, owner.address).sharing.excluded_domains == ("bank.example", "law.example")


def test_guided_at_a_known_provider(empty: Deployment, owner: Any) -> None:
    """The address gives the provider and its servers, and the provider's instructions for an app password are shown."""
    with terminal(empty, "account", "add", "--owner", owner.address, "--email", "anna@gmail.com") as (person, process):
        person.answer("imap.gmail.com:993 tls as anna@gmail.com", "y")
        person.wait_until_hidden("Password of anna@gmail.com")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 1
    assert "anna@gmail.com is hosted by Gmail." in person.seen
    assert "myaccount.google.com/apppasswords" in person.seen
    assert "Traceback" not in person.seen


@pytest.mark.parametrize(
    ("choice", "address", "server", "advice"),
    [
        ("5", "anna@zoho.eu", "imap.zoho.eu:993", "If Zoho Mail (Europe) refuses your account password"),
        ("gmail", "anna@company.invalid", "imap.gmail.com:993", "Google Workspace needs an app password"),
    ],
)
def test_a_chosen_service(  # noqa: PLR0917 - pytest names them
    empty: Deployment, owner: Any, choice: str, address: str, server: str, advice: str
) -> None:
    """The user picks a service by number or key. A domain that says nothing of itself is the chosen service's."""
    with terminal(empty, "account", "add", "--owner", owner.address) as (person, process):
        person.answer("Mail service", choice)
        person.answer("Address of the mailbox", address)
        person.answer(f"{server} tls as {address}", "y")
        person.wait_until_hidden(f"Password of {address}")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 1
    assert advice in " ".join(person.seen.split())


def test_an_attachment_is_not_for_a_terminal(deployment: Deployment) -> None:
    """Bytes from a mail are not written where a terminal could interpret them."""
    with terminal(deployment, "email", "show", "v1-", "--viewer", "anna@nw.example", "--attachment", "1") as (
        person,
        process,
    ):
        person.wait_for("cannot go to a terminal")
        assert process.wait(DEADLINE) == 2


def test_raw_mail_at_a_terminal_is_harmless(deployment: Deployment) -> None:
    """Escape sequences are removed when the output is a terminal."""
    with terminal(deployment, "dead-letters", "list", "--json") as (person, process):
        person.wait_for("parser-died")
        process.wait(DEADLINE)
    (letter,) = deployment.run("dead-letters", "list", "--json").json()
    with terminal(deployment, "dead-letters", "show", letter["id"], "--body") as (person, process):
        person.wait_for("Hello[31m")
        assert process.wait(DEADLINE) == 0
