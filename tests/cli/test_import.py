"""``leadmail account import``: a table of mailboxes against a real Dovecot and the tests' identity server."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.accounts import Account, AccountState
from schemas.sharing import Mode
from services.cli.results import connecting as results
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from testbed.processes.ports import free_port
from tests import oauth
from tests.cli.fixtures import Deployment, check_result
from tests.conftest import MailUser

BOSS = "boss@nw.example"


@pytest.fixture
def deployment(empty: Deployment, servers: LocalServers, identity: IdentityServer) -> Deployment:
    """A deployment that opens mailboxes in its own name, whose company allows no private mailboxes."""
    empty.environment |= oauth.settings(servers)
    empty.environment["LEADMAIL_OAUTH_SERVICE_ACCOUNT"] = identity.service_account()
    empty.ok("user", "add", BOSS, "--admin")
    empty.ok(
        "company",
        "sharing",
        "--allow-mode",
        "public",
        "--allow-mode",
        "custom",
        "--default-mode",
        "public",
        "--by",
        BOSS,
    )
    return empty


def accounts_of(deployment: Deployment) -> dict[str, Account]:
    """Return all accounts by address."""

    async def read(store: Any, _: Any) -> dict[str, Account]:
        return {one.address: one for one in await store.accounts.get_all()}

    return deployment.store(read)


def test_a_table(
    deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser], tmp_path: Path
) -> None:
    """A dry run saves nothing. Each row that fails says why; run again, nothing is doubled, and no password is shown."""
    ann, bob, own, wrong = (new_mail_user() for _ in range(4))
    for user in (ann, wrong):
        deployment.ok("user", "add", user.address)
    host = f"tls://{servers.imap.host}:{servers.imap.tls_port}"
    rows = [
        ("address", "owner", "sharing", "aliases", "password", "app-only", "host"),
        (ann.address, "", "custom", f"alias-{ann.address}", ann.password, "", host),
        (bob.address, BOSS, "", "", bob.password, "no", host),
        (own.address, BOSS, "", "", "", "yes", ""),
        (wrong.address, "", "public", "", "hunter2-wrong", "", host),
        ("private@nw.example", BOSS, "private", "", "x", "", host),
        ("secret@nw.example", BOSS, "secret", "", "x", "", host),
        ("nobody@nw.example", "", "", "", "x", "", host),
        ("nobody", BOSS, "", "", "x", "", host),
        ("none@nw.example", BOSS, "", "", "", "", host),
        ("both@nw.example", BOSS, "", "", "x", "generic", ""),
        ("other@nw.example", BOSS, "", "", "", "google", ""),
        ("typo@nw.example", BOSS, "", "", "x", "", "imap example"),
        (BOSS, ann.address, "", "", "x", "", host),
        ("twice@nw.example", BOSS, "", "", "x", "", host),
        ("Twice@nw.example", BOSS, "", "", "x", "", host),
        ("gone@nw.example", BOSS, "", "", "", "generic", ""),
    ]
    reasons = {
        wrong.address: "did not accept the user name and password",
        "private@nw.example": "your company does not allow private",
        "secret@nw.example": "sharing has to be",
        "nobody@nw.example": "there is no user",
        "nobody": "not an e-mail address",
        "none@nw.example": "neither a password nor app-only",
        "both@nw.example": "there is no password",
        "other@nw.example": "choose generic",
        "typo@nw.example": "the host is wrong",
        BOSS: "belongs to another user",
        "twice@nw.example": "more than once",
        "Twice@nw.example": "more than once",
        "gone@nw.example": "check that the mailbox exists",
    }
    table = tmp_path / "mailboxes.csv"
    table.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8-sig")
    dry = deployment.run("account", "import", str(table), "--dry-run", "--json")
    check_result(dry.out, list[results.ImportResult])
    at_login = {wrong.address, "gone@nw.example"}
    ready = {ann.address, bob.address, own.address, *at_login}
    assert {one["address"] for one in dry.json() if one["state"] == "ready"} == ready
    assert (dry.code, accounts_of(deployment)) == (1, {})
    done = deployment.run("account", "import", str(table), "--json")
    found = {one["address"]: one for one in done.json()}
    assert {name for name, one in found.items() if one["state"] == "connected"} == ready - at_login
    assert {name for name, one in found.items() if one["state"] == "failed"} == set(reasons)
    assert not {name: found[name]["reason"] for name, words in reasons.items() if words not in found[name]["reason"]}
    assert [one["line"] for one in done.json()] == list(range(2, 18))
    accounts = accounts_of(deployment)
    assert accounts.keys() == ready - at_login
    mine = accounts[ann.address]
    assert (mine.owner, mine.sharing.mode, mine.unproven) == (ann.address, Mode.CUSTOM, (f"alias-{ann.address}",))
    assert (accounts[bob.address].owner, accounts[bob.address].sharing.mode) == (BOSS, Mode.PUBLIC)
    assert accounts[own.address].app_only
    again = deployment.run("account", "import", "-", stdin=table.read_text(encoding="utf-8-sig"))
    assert (again.code, accounts_of(deployment)) == (1, accounts)
    assert "16 mailboxes: 3 already connected, 13 failed." in again.out
    for secret in (ann.password, bob.password, "hunter2"):
        assert secret not in dry.out + dry.errors + done.out + done.errors + again.out + again.errors
    table.write_text(f"address,owner\n{bob.address},{BOSS}\n")
    assert "1 mailbox: 1 already connected." in deployment.ok("account", "import", str(table))
    audited = deployment.ok("audit", "--action", "account.add", "--json")
    assert audited.count('"account.add"') == 3
    refused = deployment.run("account", "import", str(table), "--by", ann.address)
    assert (refused.code, "is not an administrator" in refused.errors) == (1, True)


def test_fifty_mailboxes(
    deployment: Deployment, servers: LocalServers, new_mail_user: Callable[..., MailUser], tmp_path: Path
) -> None:
    """Those that work are connected, by password and in Leadmail's own name; each other row has a reason of its own."""
    boxes = [new_mail_user() for _ in range(44)]
    host = f"tls://{servers.imap.host}:{servers.imap.tls_port}"
    rows = [f"{one.address},{BOSS},{one.password},no,{host}" for one in boxes[:36]]
    rows += [f"{one.address},{BOSS},,yes," for one in boxes[36:41]]
    rows += [f"{one.address},{BOSS},not-the-password,no,{host}" for one in boxes[41:]]
    rows += [f"gone-{number}@nw.example,{BOSS},x,no,{host}" for number in range(2)]
    rows += [f"none@nw.example,{BOSS},,no,", "nobody@nw.example,nobody@nw.example,x,no,", f"nobody,{BOSS},x,no,{host}"]
    rows += [f"twice@nw.example,{BOSS},x,no,{host}"] * 2 + [f"typo@nw.example,{BOSS},x,no,imap example"]
    rows += [f"closed@nw.example,{BOSS},x,no,tls://127.0.0.1:{free_port()}"]
    table = tmp_path / "mailboxes.csv"
    table.write_text("address,owner,password,app-only,host\n" + "\n".join(rows))
    done = deployment.run("account", "import", str(table), "--json")
    check_result(done.out, list[results.ImportResult])
    found = done.json()
    assert [one["line"] for one in found] == list(range(2, len(rows) + 2))
    assert len(rows) >= 50
    assert [one["state"] for one in found] == ["connected"] * 41 + ["failed"] * (len(rows) - 41)
    assert all(one["reason"] for one in found[41:])
    assert len({one["reason"] for one in found[41:]}) >= 6
    accounts = accounts_of(deployment)
    assert accounts.keys() == {one.address for one in boxes[:41]}
    assert all(one.state is AccountState.ACTIVE and one.resync_requested for one in accounts.values())
    assert sum(one.app_only for one in accounts.values()) == 5


def test_an_interrupted_import(deployment: Deployment, tmp_path: Path) -> None:
    """It says what became of the rows so far, and how many are left."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def interrupt() -> None:
            connection, _ = silent.accept()
            with connection:
                os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        table = tmp_path / "mailboxes.csv"
        host = f"tls://127.0.0.1:{silent.getsockname()[1]}"
        table.write_text(f"address,owner,password,host\nnobody,,x,\nbox@nw.example,{BOSS},x,{host}\n")
        done = deployment.run("account", "import", str(table))
        thread.join()
    assert (done.code, "1 mailbox: 1 failed." in done.out) == (130, True), done.out
    assert "1 of 2 rows are left" in done.errors
    assert accounts_of(deployment) == {}


def test_what_cannot_be_read(deployment: Deployment, tmp_path: Path) -> None:
    """One sentence, and nothing is connected."""
    file = tmp_path / "mailboxes.csv"
    for content, why in ((b"\xff\xfe", "not UTF-8"), (b"name\nx", "no column address")):
        file.write_bytes(content)
        done = deployment.run("account", "import", str(file))
        assert (done.code, why in done.errors) == (2, True), done.errors
    assert deployment.run("account", "import", str(tmp_path / "absent.csv")).code == 2
