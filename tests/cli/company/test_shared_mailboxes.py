"""Shared mailboxes by command: connected with a password, by a member's sign-in, from a table; and their members."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.accounts import Account, ProofKind
from schemas.identity import team_of
from services.cli.results import accounts as results
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from testbed.processes.ports import free_port
from tests import oauth
from tests.cli.fixtures import Deployment, check_result
from tests.cli.test_connect import servers_of
from tests.conftest import MailUser

ANNA, LUC, HELEN, BOSS = "anna@nw.example", "luc@nw.example", "helen@nw.example", "boss@nw.example"


@pytest.fixture
def deployment(empty: Deployment) -> Deployment:
    """Three users and an administrator."""
    for user in (ANNA, LUC, HELEN):
        empty.ok("user", "add", user)
    empty.ok("user", "add", BOSS, "--admin")
    return empty


def saved(deployment: Deployment, address: str) -> Account:
    """Return the account as it is stored."""

    async def find(store: Any, _: Any) -> Account:
        found: Account = await store.accounts.find(address)
        return found

    return deployment.store(find)


def add(deployment: Deployment, servers: LocalServers, box: MailUser, *options: str) -> Any:
    """Connect a shared mailbox with its password."""
    words = ("account", "add", "--email", box.address, "--sharing", "private", "--password-stdin", *options)
    return deployment.run(*words, *servers_of(servers), stdin=box.password)


def test_members(deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> None:
    """It is connected for its members, who are listed, join and leave; whoever is no member or administrator changes nothing."""
    box = new_mail_user("sales")
    done = add(deployment, servers, box, "--member", LUC, "--member", ANNA, "--json")
    check_result(done.out, results.AccountResult)
    account = saved(deployment, box.address)
    assert (account.owner, account.members) == (team_of(account.id), (ANNA, LUC))
    assert done.json()["members"] == [ANNA, LUC]
    assert f"shared: {ANNA}, {LUC}" in deployment.ok("account", "list", "--owner", LUC)
    assert box.address not in deployment.ok("account", "list", "--owner", HELEN)
    assert f"members {ANNA}, {LUC} " in " ".join(deployment.ok("account", "show", box.address).split())
    command = ("account", "members", box.address)
    assert deployment.ok(*command) == f"{box.address} is shared by {ANNA}, {LUC}.\n"
    for words, why in (
        (("--add", HELEN, "--by", HELEN), "only its members may do this"),
        (("--add", "nobody@nw.example"), "there is no active user"),
        (("--remove", HELEN), "no member of"),
        (("--remove", ANNA, "--remove", LUC), "needs a member who is not disabled"),
    ):
        refused = deployment.run(*command, *words)
        assert (refused.code, why in refused.errors) == (1, True), refused.errors
    assert deployment.ok(*command, "--add", HELEN, "--remove", LUC, "--by", BOSS).endswith(f"{ANNA}, {HELEN}.\n")
    assert deployment.run(*command, "--remove", ANNA, "--by", HELEN, "--json").json()["members"] == [HELEN]
    deployment.ok("user", "disable", HELEN)
    refused = deployment.run("account", "resume", box.address)
    assert (refused.code, "leadmail user enable" in refused.errors) == (1, True)
    deployment.ok("user", "enable", HELEN)
    deployment.ok("account", "resume", box.address)


def test_what_is_refused(deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> None:
    """A user's own address, a member who is no user, a member's own login, and a shared mailbox without an address."""
    box, personal = new_mail_user("sales"), new_mail_user("personal")
    deployment.ok("user", "add", personal.address)
    refused = add(deployment, servers, personal, "--member", ANNA)
    assert (refused.code, "is the address of a user" in refused.errors) == (1, True)
    refused = add(deployment, servers, box, "--member", "nobody@nw.example")
    assert (refused.code, "there is no user" in refused.errors) == (1, True)
    stolen = MailUser(box.address, personal.password)
    refused = add(deployment, servers, stolen, "--member", ANNA, "--username", personal.address)
    assert (refused.code, "is the address of another user" in refused.errors) == (1, True), refused.errors
    words = ("account", "add", "--sign-in", "generic", "--member", ANNA, "--sharing", "public", "--password-stdin")
    assert "name the shared mailbox with --email" in deployment.run(*words).errors
    assert "There are no accounts yet" in deployment.ok("account", "list")


def test_an_own_mailbox_becomes_shared(
    deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """Its owner is a member; a colleague or an administrator cannot do that."""
    box = new_mail_user("sales")
    deployment.ok(
        *("account", "add", "--owner", ANNA, "--email", box.address, "--sharing", "private", "--password-stdin"),
        *servers_of(servers),
        stdin=box.password,
    )
    command = ("account", "members", box.address)
    assert deployment.ok(*command) == f"{box.address} is the mailbox of {ANNA} alone.\n"
    for by in (BOSS, LUC):
        assert deployment.run(*command, "--add", by, "--by", by).code == 1
    assert "add a member first" in deployment.run(*command, "--remove", ANNA).errors
    assert deployment.ok(*command, "--add", LUC, "--by", ANNA).endswith(f"shared by {ANNA}, {LUC}.\n")
    for words, why in (
        (("--own", HELEN, "--by", HELEN), "only its members may do this"),
        (("--own", "nobody@nw.example"), "there is no active user"),
        (("--own", LUC, "--add", HELEN), "--own goes without"),
    ):
        refused = deployment.run(*command, *words)
        assert (refused.code > 0, why in refused.errors) == (True, True), refused.errors
    assert deployment.ok(*command, "--own", LUC, "--by", ANNA) == f"{box.address} is the mailbox of {LUC} alone.\n"
    assert "is not shared" in deployment.run(*command, "--own", ANNA).errors
    assert saved(deployment, box.address).holders == (LUC,)


def test_a_login_to_a_users_own_mailbox_is_not_shared(
    deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """Whatever address it is connected under: the login name says whose mail it opens."""
    anna = new_mail_user("personal")
    deployment.ok("user", "add", anna.address)
    deployment.ok(
        *("account", "add", "--owner", anna.address, "--email", "sales@nw.example", "--username", anna.address),
        *("--sharing", "private", "--password-stdin"),
        *servers_of(servers),
        stdin=anna.password,
    )
    refused = deployment.run("account", "members", "sales@nw.example", "--add", LUC)
    assert (refused.code, f"login name {anna.address} is the address of a user" in refused.errors) == (1, True)
    assert saved(deployment, "sales@nw.example").owner == anna.address


def test_a_table_of_shared_mailboxes(
    deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser], tmp_path: Path
) -> None:
    """Members are separated by spaces or semicolons; the owner, if there is one, is a member too."""
    sales, support, own = new_mail_user("sales"), new_mail_user("support"), new_mail_user("own")
    deployment.ok("user", "add", own.address)
    host = f"tls://{servers.imap.host}:{servers.imap.tls_port}"
    table = tmp_path / "mailboxes.csv"
    rows = (
        f"{sales.address},,{ANNA};{LUC},{sales.password}",
        f"{support.address},{HELEN},{LUC},{support.password}",
        f"{own.address},,{ANNA},{own.password}",
        f"more@nw.example,,{ANNA} nobody@nw.example,x",
    )
    table.write_text("address,owner,members,password,host\n" + "".join(f"{row},{host}\n" for row in rows))
    done = {one["address"]: one for one in deployment.run("account", "import", str(table), "--json").json()}
    assert [done[one.address]["state"] for one in (sales, support)] == ["connected", "connected"]
    assert "is the address of a user" in done[own.address]["reason"]
    assert "there is no user nobody@nw.example" in done["more@nw.example"]["reason"]
    assert saved(deployment, sales.address).members == (ANNA, LUC)
    assert saved(deployment, support.address).members == (HELEN, LUC)
    assert "2 already connected" in deployment.run("account", "import", str(table)).out
    table.write_text(f"address,members\n{sales.address},{HELEN};{LUC}\n{support.address},{HELEN} {LUC}\n")
    differs, same = deployment.run("account", "import", str(table), "--json").json()
    command = f"leadmail account members {sales.address} --add {HELEN} --remove {ANNA}"
    assert f"its members stay {ANNA}, {LUC}: `{command}`" in differs["reason"]
    assert (differs["state"], same["state"], same["reason"]) == ("already connected", "already connected", "")
    deployment.ok(*command.split()[1:])
    assert saved(deployment, sales.address).members == (HELEN, LUC)


def test_connected_again_with_fewer_members(
    deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser], tmp_path: Path
) -> None:
    """Who is left out is named, with the command that adds them; so does a table, also in a dry run."""
    box, table = new_mail_user("sales"), tmp_path / "mailboxes.csv"
    left_out = f"{HELEN}, {LUC} were members before and are none any more"
    command = f"leadmail account members {box.address} --add {HELEN} --add {LUC}"
    add(deployment, servers, box, "--member", ANNA, "--member", LUC, "--member", HELEN)
    deployment.ok("account", "remove", box.address, "--yes")
    host = f"tls://{servers.imap.host}:{servers.imap.tls_port}"
    table.write_text(f"address,members,password,host\n{box.address},{ANNA},{box.password},{host}\n")
    (planned,) = deployment.run("account", "import", str(table), "--dry-run", "--json").json()
    assert (planned["state"], left_out in planned["reason"]) == ("ready", True), planned
    done = " ".join(add(deployment, servers, box, "--member", ANNA).out.split())
    assert (left_out in done, command in done) == (True, True), done
    deployment.ok("account", "remove", box.address, "--yes")
    assert "any more" not in add(deployment, servers, box, "--member", ANNA).out, "they are forgotten by then"
    deployment.ok(*command.split()[1:])
    deployment.ok("account", "remove", box.address, "--yes")
    (connected,) = deployment.run("account", "import", str(table), "--json").json()
    assert (connected["state"], left_out in connected["reason"]) == ("connected", True), connected


def test_nobody_but_the_operator_opens_one_in_our_name(
    deployment: Deployment,
    servers: LocalServers,
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    tmp_path: Path,
) -> None:
    """An administrator could read anybody's mailbox so, by a table or by joining."""
    deployment.environment |= oauth.settings(servers)
    deployment.environment["LEADMAIL_OAUTH_SERVICE_ACCOUNT"] = identity.service_account()
    box, table = new_mail_user("sales"), tmp_path / "mailboxes.csv"
    table.write_text(f"address,members,app-only\n{box.address},{BOSS},yes\n")
    refused = deployment.run("account", "import", str(table), "--by", BOSS)
    assert (refused.code, "only the operator may give a mailbox" in refused.out) == (1, True), refused.out
    table.write_text(f"address,members,app-only\n{box.address},{ANNA},yes\n")
    deployment.ok("account", "import", str(table))
    command = ("account", "members", box.address, "--add", BOSS)
    assert "only its members and the operator" in deployment.run(*command, "--by", BOSS).errors
    assert saved(deployment, box.address).members == (ANNA,)
    deployment.ok(*command, "--by", ANNA)


def test_a_members_sign_in(
    deployment: Deployment,
    servers: LocalServers,
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Leadmail logs in to the shared mailbox with the token of a member whom the mail service lets in, and of no other one."""
    deployment.environment |= oauth.settings(servers)
    box, anna, luc = new_mail_user("sales"), new_mail_user("anna"), new_mail_user("luc")
    by = [anna]

    def open_page(url: str) -> bool:
        back = identity.sign_in(url, by[0].address, by[0].password, deny=False)
        with httpx.Client(trust_env=False) as client:
            assert client.get(back).status_code == 200
        return True

    monkeypatch.setattr(webbrowser, "get", lambda: None)
    monkeypatch.setattr(webbrowser, "open", open_page)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    port = ("--redirect-port", str(free_port()))
    words = ("account", "add", "--sign-in", "generic", "--member", ANNA, "--member", LUC, "--sharing", "public", *port)
    refused = deployment.run(*words, "--email", box.address)
    assert (refused.code, "nothing was saved" in refused.errors) == (1, True), refused.errors
    identity.set(opens={anna.address: box.address, luc.address: box.address})
    deployment.ok(*words, "--email", box.address)
    account = saved(deployment, box.address)
    assert (account.members, account.incoming.username) == ((ANNA, LUC), box.address)
    assert account.proof_of(box.address) is not ProofKind.OAUTH, "the sign-in named Anna, and not the mailbox"
    by[0] = luc
    deployment.ok("account", "login", box.address, *port)
    after = saved(deployment, box.address)
    assert (after.incoming.username, after.grant != account.grant) == (box.address, True)
    assert after.proof_of(box.address) is not ProofKind.OAUTH
    refused = deployment.run("account", "change", box.address, "--username", anna.address)
    assert (refused.code, f"has to be {box.address}" in refused.errors) == (1, True), refused.errors
