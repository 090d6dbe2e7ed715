"""``leadmail doctor`` finds what is wrong with each server and says what to do; ``leadmail queues`` shows what waits."""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient
from yarl import URL

from schemas.accounts import AccountState
from schemas.identity import team_of
from schemas.records import RecordRef
from schemas.routes import DEAD_QUEUE, MIB, ROUTES
from services.amqp import QueueDepth
from services.amqp.rabbitmq.broker_diagnostics import BrokerFacts, free_disk, lacking_members, unknown_queues
from services.cli.operations import diagnosis, mailbox_diagnosis
from services.cli.operations.diagnosis import State
from services.mailbox.connection import SealedSample
from services.store import AccountGroup, DatabaseFacts
from services.usecases.stages import BOUNDS, replicas
from testbed.local import LocalServers
from tests import factories
from tests.cli.fixtures import Deployment
from tests.hosting.test_broker import crash_dead_letter_workers

WORKING = {name: QueueDepth(0, 2, None) for name in (*(route.queue for route in ROUTES), DEAD_QUEUE)}


class Broker:
    """The management interface as an administrator's script uses it."""

    def __init__(self, servers: LocalServers, amqp: str) -> None:
        self.url = URL(servers.broker.management_url)
        self.host = quote(URL(amqp).path.removeprefix("/"), safe="")

    def put(self, path: str, body: dict[str, Any]) -> None:
        """Create something in the virtual host."""
        kind, _, name = path.partition("/")
        login = base64.b64encode(f"{self.url.user}:{self.url.password}".encode()).decode()
        target = self.url.with_user(None).with_password(None)
        request = urllib.request.Request(
            f"{str(target).rstrip('/')}/api/{kind}/{self.host}/{name}",
            method="PUT",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass


@pytest.fixture
def broker(empty: Deployment, servers: LocalServers) -> Broker:
    """The broker of the deployment."""
    return Broker(servers, empty.environment["LEADMAIL_RABBITMQ_URL"])


def checks(deployment: Deployment, *, code: int = 1, **settings: str) -> dict[str, dict[str, str]]:
    """Return what the doctor finds by name."""
    others = {name: "" for name in os.environ if name.startswith("LEADMAIL_") and name not in deployment.environment}
    done = deployment.run(
        "doctor", "--json", **others | settings
    )  # what the tests themselves are run with is not a setting
    assert done.code == code, done.errors
    found = done.json()
    assert found["healthy"] == (code == 0)
    return {check["name"]: check for check in found["checks"]}


def test_a_deployment_without_stages(deployment: Deployment, servers: LocalServers) -> None:
    """Healthy servers pass; missing stages fail, with how to start each."""
    found = checks(
        deployment,
        LEADMAIL_RABBITMQ_MANAGEMENT_URL=servers.broker.management_url,
        LEADMAIL_SMTP_URL=f"smtp://{servers.smtp.host}:{servers.smtp.port}",
        LEADMAIL_CA_FILE=str(servers.smtp.ca_file),
    )
    for name in (
        *("settings", "MongoDB", "MongoDB: version", "MongoDB: indexes", "MongoDB: clock"),
        *("RabbitMQ", "RabbitMQ: topology", "RabbitMQ: version", "RabbitMQ: alarms", "RabbitMQ: policies"),
        *("RabbitMQ: members", "RabbitMQ: disk"),
        *("SMTP", "SMTP: certificate", "LEADMAIL_CA_FILE", "accounts"),
    ):
        assert found[name]["state"] == "fine", found[name]
    assert found["dead letters"]["state"] == "warning"
    for stage in ("poller", "parser", "matcher", "notifier"):
        assert found[f"stage {stage}"]["state"] == "wrong"
        assert f"services.{stage}" in found[f"stage {stage}"]["advice"]


def test_what_was_changed_in_the_servers(deployment: Deployment, servers: LocalServers, broker: Broker) -> None:
    """A dropped index, a queue with other properties, a policy over ours, a queue of another version, a mail server's refusal."""
    arguments = {"durable": True, "arguments": {"x-queue-type": "quorum", "x-max-length": 7}}
    broker.put(f"queues/{ROUTES[0].queue}", arguments)
    broker.put("queues/parser.mail-read.live", {"durable": True})
    everything = {"pattern": ".*", "apply-to": "queues", "definition": {"message-ttl": 1000}}
    broker.put("policies/everything", everything)
    broker.put(
        "policies/harmless", {"pattern": ".*", "apply-to": "exchanges", "definition": {"alternate-exchange": "x"}}
    )
    with MongoClient[dict[str, Any]](servers.mongo_url) as client:
        client[deployment.environment["LEADMAIL_MONGO_DATABASE"]]["ledger"].drop_index("marks")
    found = checks(
        deployment,
        LEADMAIL_RABBITMQ_MANAGEMENT_URL=servers.broker.management_url,
        LEADMAIL_SMTP_URL=f"smtp://nobody:wrong@{servers.smtp.host}:{servers.smtp.port}",
        LEADMAIL_CA_FILE=str(servers.smtp.ca_file),
        LEADMAIL_SMPT_URL="a slip of the pen",
    )
    assert (found["MongoDB: indexes"]["state"], found["MongoDB: indexes"]["found"]) == (
        "wrong",
        "missing: ledger.marks",
    )
    assert found["RabbitMQ: topology"]["state"] == "wrong"
    assert ROUTES[0].queue in found["RabbitMQ: topology"]["found"]
    assert "delete it" in found["RabbitMQ: topology"]["advice"]
    assert found["RabbitMQ: policies"]["found"] == "change Leadmail's queues: everything"
    assert found["RabbitMQ: other queues"]["found"] == "not of this version: parser.mail-read.live"
    assert found["SMTP"]["state"] == "wrong"
    assert "wrong@" not in str(found)
    assert found["settings"]["advice"] == "Did you mean LEADMAIL_SMTP_URL?"


def test_servers_that_are_down(deployment: Deployment) -> None:
    """A server that is down does not stop the other checks; the sentence names the setting."""
    away = deployment.environment["LEADMAIL_RABBITMQ_URL"]
    found = checks(deployment, LEADMAIL_RABBITMQ_URL=str(URL(away).with_port(1)), LEADMAIL_RABBITMQ_MANAGEMENT_URL="")
    assert found["RabbitMQ"]["state"] == "wrong"
    assert "LEADMAIL_RABBITMQ_URL" in found["RabbitMQ"]["advice"]
    assert found["RabbitMQ: management"]["state"] == "unknown"
    assert found["MongoDB: indexes"]["state"] == "fine"
    gone = "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=500"
    found = checks(deployment, LEADMAIL_MONGO_URL=gone)
    assert found["MongoDB"]["state"] == "wrong"
    assert found["RabbitMQ"]["state"] == "fine"


def test_a_broker_whose_dead_letter_workers_crashed(deployment: Deployment) -> None:
    """A broker that ends each connection with INTERNAL_ERROR is up, and its URL is right: only a restart helps."""
    with LocalServers(parts={"rabbitmq"}) as servers:
        url = servers.broker.create_virtual_host("leadmail")
        assert servers.broker.can_dead_letter()
        crash_dead_letter_workers(servers)
        found = checks(
            deployment, LEADMAIL_RABBITMQ_URL=url, LEADMAIL_RABBITMQ_MANAGEMENT_URL=servers.broker.management_url
        )
    assert found["RabbitMQ"]["state"] == "wrong"
    assert "INTERNAL_ERROR" in found["RabbitMQ"]["found"]
    assert "Restart this RabbitMQ node" in found["RabbitMQ"]["advice"]


def test_people_read_it(deployment: Deployment) -> None:
    """One line per check with its advice, and the totals at the end."""
    done = deployment.run("doctor")
    assert done.code == 1
    assert "Start it: python -m services.poller." in done.out
    assert "4 things are wrong" in done.out


def test_status_counts_replicas(deployment: Deployment) -> None:
    """Each stage has its number of replicas, also in JSON."""
    assert "replicas: poller 0   parser 0   matcher 0   notifier 0" in deployment.ok("status")
    assert deployment.run("status", "--json").json()["stages"] == {
        "poller": 0,
        "parser": 0,
        "matcher": 0,
        "notifier": 0,
    }
    assert replicas(WORKING) == {"parser": 2, "matcher": 2, "notifier": 2}
    assert replicas(WORKING | {ROUTES[0].queue: QueueDepth(0, 3, None)})["parser"] == 3, "one takes live mail alone"


def test_queues_show_what_waits(deployment: Deployment, servers: LocalServers) -> None:
    """Every queue is listed with its consumers, but not empty delay queues.

    Without a management URL, a note says that rates are missing. Before anything declared them, there are none.
    """
    assert all("Run leadmail setup, or start a stage." in deployment.ok(command) for command in ("queues", "status"))
    deployment.ok("setup")
    plain = deployment.ok("queues")
    assert ROUTES[0].queue in plain
    assert f"{ROUTES[0].max_length:,}" in plain
    assert ".retry-" not in plain
    assert "LEADMAIL_RABBITMQ_MANAGEMENT_URL" in plain or "LEADMAIL_RABBITMQ_MANAGEMENT_URL" in deployment.environment
    done = deployment.run("queues", "--json", LEADMAIL_RABBITMQ_MANAGEMENT_URL=servers.broker.management_url)
    rows = {row["queue"]: row for row in done.json()}
    assert set(WORKING) <= set(rows)
    assert rows[ROUTES[0].queue]["consumers"] == 0
    assert rows[ROUTES[0].queue]["rates"] == {"published": 0.0, "delivered": 0.0, "acknowledged": 0.0}
    assert (rows[ROUTES[0].queue]["max_messages"], rows[ROUTES[0].queue]["ready_bytes"]) == (ROUTES[0].max_length, 0)
    done = deployment.run("queues", "--json", LEADMAIL_RABBITMQ_MANAGEMENT_URL="")
    assert {row["rates"] for row in done.json()} == {None}


def facts(**fields: Any) -> DatabaseFacts:
    """Return a healthy database, except for the given fields."""
    return DatabaseFacts("7.0.4", "rs0", 0.0, (), 0.5)._replace(**fields)


@pytest.mark.parametrize(
    ("fields", "name", "state", "words"),
    [
        ({"version": "5.0.9"}, "MongoDB: version", State.WRONG, "6.0"),
        ({"version": "6.0.0"}, "MongoDB: version", State.FINE, ""),
        ({"skew_seconds": -90.0}, "MongoDB: clock", State.WARNING, "NTP"),
        ({"disk_used": 0.95}, "MongoDB: disk", State.WARNING, "space"),
        ({"disk_used": None}, "MongoDB: disk", State.UNKNOWN, ""),
        ({"missing_indexes": ("ledger.marks",)}, "MongoDB: indexes", State.WRONG, "Start any stage"),
    ],
)
def test_databases(fields: dict[str, Any], name: str, state: State, words: str) -> None:
    """Each fact by itself, with its advice."""
    found = {check.name: check for check in diagnosis.database(facts(**fields))}
    assert found[name].state is state
    assert words in found[name].advice
    assert all(check.state is State.FINE for check in found.values() if check.name != name)


@pytest.mark.parametrize(
    ("fields", "name", "state"),
    [
        ({"version": "3.9.29"}, "RabbitMQ: version", State.WRONG),
        ({"version": "4.1.0"}, "RabbitMQ: version", State.FINE),
        ({"alarms": ("disk on rabbit@one",)}, "RabbitMQ: alarms", State.WRONG),
        ({"alarms": None}, "RabbitMQ: alarms", State.UNKNOWN),
        ({"policies": None, "conflicting_policies": None}, "RabbitMQ: policies", State.UNKNOWN),
        ({"unknown_queues": ("parser.old",)}, "RabbitMQ: other queues", State.WARNING),
        ({"nodes": ("rabbit@a", "rabbit@b"), "lacking": {}}, "RabbitMQ: members", State.FINE),
        ({"nodes": ("rabbit@a", "rabbit@b"), "lacking": {"rabbit@b": ("q",)}}, "RabbitMQ: members", State.WRONG),
        ({"free_disk": 2**30}, "RabbitMQ: disk", State.WARNING),
        ({"free_disk": 2**33}, "RabbitMQ: disk", State.FINE),
    ],
)
def test_brokers(fields: dict[str, Any], name: str, state: State) -> None:
    """The same for the broker."""
    fine = BrokerFacts(None, "3.13.1", (), (), ())
    fields.pop("policies", None)
    found = {check.name: check for check in diagnosis.broker(fine._replace(**fields))}
    assert found[name].state is state
    assert all(check.state is State.FINE for check in found.values() if check.name != name)


def test_queues_that_were_declared_while_nodes_were_down() -> None:
    """Each queue should be on three nodes, or on all if there are fewer. The advice is the command for each node that lacks some."""
    nodes = ("rabbit@a", "rabbit@b", "rabbit@c", "rabbit@d")
    found: list[dict[str, Any]] = [
        {"name": "alone", "type": "quorum", "members": ["rabbit@b"]},
        {"name": "whole", "type": "quorum", "members": ["rabbit@b", "rabbit@c", "rabbit@d"]},
        {"name": "other", "type": "classic"},
    ]
    assert lacking_members(found, nodes) == {"rabbit@a": ("alone",), "rabbit@c": ("alone",)}
    assert lacking_members(found, nodes[1:2]) == {}
    facts = BrokerFacts(None, virtual_host="lead.mail", nodes=nodes, lacking=lacking_members(found, nodes))
    (check,) = [one for one in diagnosis.broker(facts) if one.name == "RabbitMQ: members"]
    assert check.found == "1 queue has too few members, and is lost with one node"
    for node in ("rabbit@a", "rabbit@c"):
        assert f"`rabbitmq-queues grow {node} all --vhost-pattern '^lead\\.mail$'`" in check.advice


def test_room_on_the_disks() -> None:
    """The node with the least room above its limit counts."""
    nodes: list[dict[str, Any]] = [
        {"disk_free": 9, "disk_free_limit": 2},
        {"disk_free": 8, "disk_free_limit": 5},
        {"name": "down"},
    ]
    assert free_disk(nodes) == 3
    assert free_disk(nodes[2:]) is None


@pytest.mark.parametrize(
    ("ready", "ready_bytes", "near"), [(0, None, False), (15_999, 0, False), (16_000, None, True), (1, 500 * MIB, True)]
)
def test_queues_that_are_nearly_full(ready: int, ready_bytes: int | None, near: bool) -> None:
    """A queue is nearly full by its messages or by their bytes."""
    assert BOUNDS[ROUTES[0].queue].is_near(QueueDepth(ready, 1, None, ready_bytes)) is near


def test_stages() -> None:
    """A queue without a consumer means a stage of another version; if no queue has one, the stage is down."""
    everything = list(diagnosis.stages(WORKING, 2, 5))
    assert {check.state for check in everything} == {State.FINE}
    assert len(everything) == 4
    deaf = WORKING | {DEAD_QUEUE: QueueDepth(3, 0, None)}
    found = {check.name: check for check in diagnosis.stages(deaf, 0, 0)}
    assert (found["stage matcher"].state, found["stage poller"].state) == (State.WRONG, State.WARNING)
    assert DEAD_QUEUE in found["stage matcher"].found
    assert found["stage parser"].state is State.FINE


def test_mail_and_certificates() -> None:
    """Blocked accounts and dead letters need a decision; a certificate gives a warning two weeks before it expires."""
    blocked = AccountGroup(AccountState.BLOCKED, "wrong-password", "gmail", "imap.gmail.com")
    assert [check.state for check in mailbox_diagnosis.mail({blocked: 3}, 0)] == [State.WARNING, State.FINE]
    now = datetime.now(UTC)
    ends = (now - timedelta(hours=1), now + timedelta(days=3), now + timedelta(days=90))
    states = [check.state for end in ends for check in diagnosis.certificate("c", end)]
    assert states == [State.WRONG, State.WARNING, State.FINE]
    assert list(diagnosis.certificate("c", None)) == []


def test_mailboxes_without_members() -> None:
    """Shared mailboxes whose members were all removed are named, unless they are disconnected."""
    owned, left = factories.account("anna@nw.example"), factories.account("sales@nw.example")
    left = left.model_copy(update={"owner": team_of(left.id)})
    ended = left.model_copy(update={"address": "old@nw.example", "state": AccountState.DISCONNECTED})
    used = left.model_copy(update={"members": ("anna@nw.example",)})
    assert list(mailbox_diagnosis.without_members([owned, ended, used])) == []
    (check,) = mailbox_diagnosis.without_members([owned, ended, used, left])
    assert (check.state, check.found) == (State.WARNING, "sales@nw.example: no member is left")
    assert "account members sales@nw.example --add" in check.advice
    (check,) = mailbox_diagnosis.without_members([left] * 4)
    assert check.found.endswith("and others: no member is left")


def test_repeated_message_ids() -> None:
    """They are a warning, with numbers only."""
    (found,) = mailbox_diagnosis.repeated_ids(2, 3)
    assert (found.state, found.found) == (State.WARNING, "3 are carried by different mails, in 2 mailboxes")
    (found,) = mailbox_diagnosis.repeated_ids(0, 0)
    assert found.state is State.FINE


def test_unreadable_addresses() -> None:
    """They are a warning, with examples."""
    (found,) = mailbox_diagnosis.unreadable_addresses([RecordRef(kind="lead", id=str(number)) for number in range(9)])
    assert found.state is State.WARNING
    assert found.found.startswith("9 records have")
    assert "lead:0, lead:1, lead:2." in found.advice
    assert [check.state for check in mailbox_diagnosis.unreadable_addresses([])] == [State.FINE]


def test_other_peoples_queues_are_not_strange() -> None:
    """Only queues whose names start like ours are reported."""
    assert unknown_queues(["billing.invoices", "parser.old", *WORKING]) == ("parser.old",)


def test_stored_passwords() -> None:
    """One that opens is enough; if none does, no mailbox can be read."""
    (fine,) = mailbox_diagnosis.passwords(SealedSample(3, "aa", ("bb",)))
    (wrong,) = mailbox_diagnosis.passwords(SealedSample(2, None, ("bb", "cc")))
    (empty,) = mailbox_diagnosis.passwords(SealedSample(0, None, ()))
    assert (fine.state, wrong.state, empty.state) == (State.FINE, State.WRONG, State.FINE)
    assert "aa" in fine.found
    assert "bb, cc" in wrong.found
    assert "LEADMAIL_SECRET_KEY" in wrong.advice
