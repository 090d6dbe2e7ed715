"""What a command loads: time at start is nearly all imports, so a command imports only what it uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.fixtures import ANNA, Deployment

ROOT = Path(__file__).parents[3]
SLOW = {
    *(
        "aio_pika",
        "aiormq",
        "aiosmtplib",
        "authlib",
        "charset_normalizer",
        "dns",
        "httpcore",
        "httpx",
        "icalendar",
        "cryptography.x509",
    ),
    *("imapclient", "jinja2", "joserfc", "mailparser", "nh3", "opentelemetry", "prometheus_client", "requests"),
    *("selectolax", "starlette", "structlog", "tnefparse", "uvicorn", "yarl", "rich.live", "rich.progress"),
}
"""What no command needs that only reads the database."""


COMMAND = """
import atexit, sys
atexit.register(lambda: print(*(name for name, module in sys.modules.items() if module), file=sys.stderr))
from services.cli.__main__ import main
main()
"""


def loaded(*arguments: str, **environment: str) -> tuple[int, set[str]]:
    """Return the exit code of a command, and all modules that it loaded."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEADMAIL_")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env=clean | environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.returncode, set(done.stderr.splitlines()[-1].split())


def test_the_help_loads_nothing_of_ours() -> None:
    """To list the commands, neither the database's driver nor a model is needed."""
    code, modules = loaded("--help")
    assert code == 0
    assert {name for name in modules if name.split(".")[0] in ("services", "schemas")} <= {
        *("services", "services.cli", "services.cli.app", "services.cli.lazy_commands", "services.cli.__main__")
    }
    assert not modules & (SLOW | {"pydantic", "pymongo", "asyncio"})


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("status", "--json"), {"access", "readers"}),
        (("user", "list", "--json"), {"ledger", "mail", "readers", "admin"}),
        (("contact", "list", "--json"), {"mail", "readers", "admin"}),
        (("emails", "kim@customer.example", "--viewer", ANNA, "--json"), {"admin"}),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_a_command_loads_the_parts_of_the_store_that_it_uses(
    deployment: Deployment, arguments: tuple[str, ...], parts: set[str]
) -> None:
    """And no client of a server that it does not ask."""
    without_broker = {name: value for name, value in deployment.environment.items() if "RABBITMQ" not in name}
    code, modules = loaded(*arguments, **without_broker)
    assert code == 0
    assert sorted(part for part in parts if f"services.store.{part}" in modules) == []
    assert sorted(modules & SLOW) == []


@pytest.mark.parametrize("arguments", [("status", "--json"), ("queues", "--json")], ids=" ".join)
def test_a_command_that_looks_at_queues_starts_no_bus(deployment: Deployment, arguments: tuple[str, ...]) -> None:
    """It needs a connection to the broker, but neither what publishes and consumes nor logs and metrics of that."""
    code, modules = loaded(*arguments, **deployment.environment)
    assert code == 0
    assert "services.amqp.rabbitmq.queue_reader" in modules
    assert sorted(modules & (SLOW - {"aiormq", "yarl"} | {"services.amqp.rabbitmq.bus"})) == []


def test_no_time_is_spent_on_collecting_garbage() -> None:
    """A command ends before there is any: modules are not searched for it, neither while they are loaded nor at the end."""
    look = """
import atexit, gc, sys
from services.cli.__main__ import main
seldom = gc.get_threshold()[0]
atexit.register(lambda: print(gc.get_freeze_count() > 0, gc.get_threshold()[0] > 10 * seldom))
sys.argv = ["leadmail", "--version"]
main()
"""
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"
