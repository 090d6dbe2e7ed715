"""What can go wrong beside the arguments: one sentence that says what to do, the right exit code, no traceback, no secret."""

from __future__ import annotations

import base64

import pytest

from testbed.local import LocalServers
from tests.cli.fixtures import ANNA, Done, World

UNUSED = "127.0.0.1:1"


def one_sentence(done: Done, code: int, *words: str) -> None:
    """Hold that a command failed as it should."""
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
def test_settings(empty: World, variable: str, value: str, words: str) -> None:
    """A setting that is missing or wrong is named, its value is not repeated."""
    done = empty.run("user", "list", **{variable: value})
    one_sentence(done, 2, words)
    assert "geheim" not in done.errors


def test_no_database(empty: World) -> None:
    """It says where it looked and which setting to check; passwords in the URL are not shown."""
    url = f"mongodb://u:geheim@{UNUSED}/?replicaSet=rs0&serverSelectionTimeoutMS=300"
    done = empty.run("user", "list", LEADMAIL_MONGO_URL=url)
    one_sentence(done, 3, "MongoDB does not answer", UNUSED, "LEADMAIL_MONGO_URL")
    assert "geheim" not in done.errors


def test_no_broker(world: World) -> None:
    """Status shows what it can, and says so; a replay sends nothing and loses nothing."""
    url = f"amqp://u:geheim@{UNUSED}/"
    shown = world.run("status", LEADMAIL_RABBITMQ_URL=url)
    assert shown.code == 0
    assert "RabbitMQ does not answer" in shown.out
    assert "anna@nw.example" in shown.out
    assert world.run("status", "--json", LEADMAIL_RABBITMQ_URL=url).json()["queues"] is None
    done = world.run("dead-letters", "replay", "all", LEADMAIL_RABBITMQ_URL=url)
    one_sentence(done, 3, f"RabbitMQ at {UNUSED} accepts no connection", "LEADMAIL_RABBITMQ_URL")
    assert "geheim" not in done.errors + shown.out
    assert len(world.run("dead-letters", "list", "--json").json()) == 1


def test_a_broker_that_dies_is_seen(world: World, servers: LocalServers) -> None:
    """Looking while the broker is killed does not hang."""
    with servers.down("rabbitmq"):
        assert "RabbitMQ does not answer" in world.run("status").out


def test_another_secret_key(world: World) -> None:
    """A password that was sealed by another key is not a crash: the settings to check are named."""
    other = base64.b64encode(b"o" * 32).decode()
    done = world.run("account", "test", ANNA, LEADMAIL_SECRET_KEY=other)
    one_sentence(done, 1, "the saved password cannot be decrypted", "LEADMAIL_SECRET_KEYS_OLD")
    rotated = world.run(
        "account",
        "test",
        ANNA,
        LEADMAIL_SECRET_KEY=other,
        LEADMAIL_SECRET_KEYS_OLD=world.environment["LEADMAIL_SECRET_KEY"],
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
def test_what_is_not_there(world: World, words: tuple[str, ...], said: str) -> None:
    """One sentence, exit code 1."""
    one_sentence(world.run(*words), 1, said)


def test_a_mistyped_command(empty: World) -> None:
    """The nearest command is proposed."""
    done = empty.run("stauts")
    assert done.code == 2
    assert "Did you mean 'status'?" in done.errors
