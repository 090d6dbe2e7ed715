"""Failures other than wrong arguments: one sentence that says what to do, the right exit code, no traceback, no secret."""

from __future__ import annotations

import base64

import pytest
import typer
from pymongo.errors import OperationFailure

from services.cli.terminal.session import explained
from testbed.local import LocalServers
from tests.cli.fixtures import ANNA, Deployment, Done

UNUSED = "127.0.0.1:1"


def one_sentence(done: Done, code: int, *words: str) -> None:
    """Check that a command failed as it should."""
    assert (done.code, done.out) == (code, "")
    assert done.errors.startswith("leadmail: ")
    assert done.errors.count("\n") == 1
    for word in words:
        assert word in done.errors, done.errors
    assert "Traceback" not in done.errors


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("LEADMAIL_MONGO_URL", "", "LEADMAIL_MONGO_URL is not set: give the URL of MongoDB"),
        ("LEADMAIL_SECRET_KEY", "", "LEADMAIL_SECRET_KEY is not set"),
        ("LEADMAIL_SECRET_KEY", "geheim", "LEADMAIL_SECRET_KEY is wrong"),
        ("LEADMAIL_MONGO_URL", "http://u:geheim@somewhere", "LEADMAIL_MONGO_URL is wrong"),
        ("LEADMAIL_ALLOW_NETWORKS", "everywhere", "LEADMAIL_ALLOW_NETWORKS is wrong"),
    ],
)
def test_settings(empty: Deployment, variable: str, value: str, words: str) -> None:
    """A missing or invalid setting is named, without its value."""
    done = empty.run("user", "list", **{variable: value})
    one_sentence(done, 2, words)
    assert "geheim" not in done.errors


def test_no_database(empty: Deployment) -> None:
    """It names the server and the setting to check; passwords in the URL are hidden."""
    url = f"mongodb://u:geheim@{UNUSED}/?replicaSet=rs0&serverSelectionTimeoutMS=300"
    done = empty.run("user", "list", LEADMAIL_MONGO_URL=url)
    one_sentence(done, 3, "MongoDB does not answer", UNUSED, "LEADMAIL_MONGO_URL")
    assert "geheim" not in done.errors


def test_no_broker(deployment: Deployment) -> None:
    """Status shows what it can and says what is missing; a replay sends nothing and loses nothing."""
    url = f"amqp://u:geheim@{UNUSED}/"
    shown = deployment.run("status", LEADMAIL_RABBITMQ_URL=url)
    assert shown.code == 0
    assert "RabbitMQ does not answer" in shown.out
    assert "anna@nw.example" in shown.out
    assert deployment.run("status", "--json", LEADMAIL_RABBITMQ_URL=url).json()["queues"] is None
    done = deployment.run("dead-letters", "replay", "all", LEADMAIL_RABBITMQ_URL=url)
    one_sentence(done, 3, f"RabbitMQ at {UNUSED} accepts no connection", "LEADMAIL_RABBITMQ_URL")
    assert "geheim" not in done.errors + shown.out
    assert len(deployment.run("dead-letters", "list", "--json").json()) == 1


def test_a_broker_that_dies_is_seen(deployment: Deployment, servers: LocalServers) -> None:
    """A command does not hang when the broker is killed while it looks."""
    with servers.down("rabbitmq"):
        assert "RabbitMQ does not answer" in deployment.run("status").out


def test_another_secret_key(deployment: Deployment) -> None:
    """A password sealed with another key causes no crash: the settings to check are named."""
    other = base64.b64encode(b"o" * 32).decode()
    done = deployment.run("account", "test", ANNA, LEADMAIL_SECRET_KEY=other)
    one_sentence(done, 1, "the saved password cannot be decrypted", "LEADMAIL_SECRET_KEYS_OLD")
    rotated = deployment.run(
        "account",
        "test",
        ANNA,
        LEADMAIL_SECRET_KEY=other,
        LEADMAIL_SECRET_KEYS_OLD=deployment.environment["LEADMAIL_SECRET_KEY"],
    )
    assert "cannot be opened" not in rotated.errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("account", "show", "nobody@nw.example"), "there is no account nobody@nw.example"),
        (("emails", "nobody@nw.example", "--viewer", ANNA), "there is no lead or contact"),
        (("emails", "kim@customer.example", "--viewer", "nobody@nw.example"), "there is no user"),
        (("explain", "kim@customer.example", "v1-zz", "--viewer", ANNA), "there is no email"),
        (("dead-letters", "show", "x"), "there is no dead letter"),
        (("dead-letters", "drop", "x", "--yes"), "there is no dead letter"),
        (("contact", "show", "contact:000000000000000000000000"), "there is no lead or contact"),
    ],
)
def test_what_is_not_there(deployment: Deployment, words: tuple[str, ...], said: str) -> None:
    """One sentence, exit code 1."""
    one_sentence(deployment.run(*words), 1, said)


def test_a_mistyped_command(empty: Deployment) -> None:
    """The most similar command is suggested."""
    done = empty.run("stauts")
    assert done.code == 2
    assert "Did you mean 'status'?" in done.errors


def test_a_change_that_others_are_in_the_way_of(capsys: pytest.CaptureFixture[str]) -> None:
    """A transaction that conflicted until the driver gave up says so, and not that the user of the database lacks rights."""
    conflict = OperationFailure("WriteConflict", 112, {"errorLabels": ["TransientTransactionError"]})
    with pytest.raises(typer.Exit) as ended, explained():
        raise conflict
    one_sentence(Done(ended.value.exit_code, *capsys.readouterr()), 3, "another process", "try again")
