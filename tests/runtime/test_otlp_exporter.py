"""Spans are exported to a collector that accepts them, refuses them, is silent, or is down."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.amqp.delivery.tracing import Tracing, now
from services.runtime import otlp_exporter
from services.runtime.environment import SettingsError
from services.runtime.logs import setup_logs
from services.runtime.otlp_exporter import open_tracing
from services.runtime.settings import ServiceSettings
from testbed.processes.certificates import make_certificates
from testbed.processes.ports import free_port
from tests.amqp.fixtures import until
from tests.trace_receiver import receiving


def settings(url: str, share: float = 1.0) -> ServiceSettings:
    """Return settings with tracing."""
    return ServiceSettings(tracing_url=SecretStr(url), tracing_share=share, log_format="json", instance="parser-1")


def record(tracing: Tracing, count: int) -> None:
    """Make spans."""
    for number in range(count):
        tracing.record("fetch", started=now(), attributes={"leadmail.uid": number})


@contextmanager
def silent() -> Iterator[str]:
    """Yield the URL of a server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_waiting_spans_are_delivered_at_the_end() -> None:
    """Spans name their stage and process; those of the last moment arrive, too."""
    log = setup_logs(ServiceSettings(), "parser", io.StringIO())
    with receiving() as receiver:
        async with open_tracing(settings(receiver.url + "/"), "parser", log) as provider:
            record(Tracing(provider), 3)
    assert [(span.service, span.name, span.attributes) for span in receiver.spans] == [
        ("leadmail-parser", "fetch", {"leadmail.uid": number}) for number in range(3)
    ]
    assert b"parser-1" in receiver.raw[0]


async def test_only_the_share_is_delivered() -> None:
    """With a share of a tenth, about a tenth is delivered."""
    log = setup_logs(ServiceSettings(), "parser", io.StringIO())
    with receiving() as receiver:
        async with open_tracing(settings(receiver.url, share=0.1), "parser", log) as provider:
            record(Tracing(provider), 2_000)
    assert 120 < len(receiver.spans) < 280


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates_are_verified(tmp_path: Path, trusted: bool) -> None:
    """Over TLS, spans are sent only to a server with a certificate of a trusted authority, including those in ``LEADMAIL_CA_FILE``."""
    lines = io.StringIO()
    log = setup_logs(ServiceSettings(log_format="json"), "parser", lines)
    certificates = make_certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.certificate, certificates.key)
    with receiving(tls) as receiver:
        given = settings(receiver.url).model_copy(update={"ca_file": str(certificates.ca) if trusted else ""})
        async with open_tracing(given, "parser", log) as provider:
            record(Tracing(provider), 1)
            await until(lambda: receiver.spans or "cannot be delivered" in lines.getvalue())
    assert len(receiver.spans) == trusted


def test_a_file_without_authorities_is_named(tmp_path: Path) -> None:
    """A wrong ``LEADMAIL_CA_FILE`` ends the start with one sentence, whether it is missing or has no certificate."""
    log = setup_logs(ServiceSettings(), "parser", io.StringIO())
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("absent.pem", "empty.pem"):
        given = settings("https://collector:4318").model_copy(update={"ca_file": str(tmp_path / name)})
        with pytest.raises(SettingsError, match="LEADMAIL_CA_FILE is wrong"):
            otlp_exporter.make_exporter(given, log)


async def test_export_resumes_when_the_collector_is_back() -> None:
    """Spans that the collector cannot take are lost. The failure and the recovery are logged once each."""
    lines = io.StringIO()
    log = setup_logs(ServiceSettings(log_format="json"), "parser", lines)
    with receiving() as receiver:
        receiver.answer = HTTPStatus.BAD_REQUEST
        async with open_tracing(settings(receiver.url), "parser", log) as provider:
            record(Tracing(provider), 2 * otlp_exporter.BATCH_SIZE)
            await until(lambda: receiver.refused >= 2)
            receiver.answer = HTTPStatus.OK
            record(Tracing(provider), otlp_exporter.BATCH_SIZE)
            await until(lambda: "delivered again" in lines.getvalue())
    assert len(receiver.spans) >= otlp_exporter.BATCH_SIZE
    events = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert [event.partition(":")[0] for event in events] == [
        "traces cannot be delivered and are lost",
        "traces are delivered again",
    ]


@pytest.mark.parametrize("kind", ["silent", "absent"])
async def test_nothing_waits_for_a_collector(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage makes more spans than may wait, and exits, although a delivery to a silent or absent collector lasts an hour."""
    monkeypatch.setattr(otlp_exporter, "DELIVERY_SECONDS", 3600.0)
    lines = io.StringIO()
    log = setup_logs(ServiceSettings(log_format="json"), "parser", lines)
    with silent() as quiet:
        url = quiet if kind == "silent" else f"http://127.0.0.1:{free_port()}"
        async with open_tracing(settings(url), "parser", log) as provider:
            record(Tracing(provider), 2 * otlp_exporter.MAX_QUEUED)


async def test_the_end_does_not_wait_for_a_collector_that_took_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage whose collector is known to be down exits before the last delivery ends."""
    monkeypatch.setattr(otlp_exporter, "CLOSING_SECONDS", 3600.0)
    ended = threading.Event()
    lines = io.StringIO()
    log = setup_logs(ServiceSettings(log_format="json"), "parser", lines)
    async with open_tracing(settings(f"http://127.0.0.1:{free_port()}"), "parser", log) as provider:
        record(Tracing(provider), 1)
        await until(lambda: "cannot be delivered" in lines.getvalue())
        shut_down = provider.shutdown
        monkeypatch.setattr(provider, "shutdown", lambda: ended.wait() and shut_down())
    ended.set()
