"""Sends spans to an OpenTelemetry collector, by OTLP over HTTP, from a background thread.

A slow or unreachable collector loses spans but never delays mail: the queue is bounded, and what does not fit is dropped.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import metadata
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from requests import Session
from requests.adapters import HTTPAdapter

from services.runtime.environment import SettingsError
from services.runtime.settings import ServiceSettings

PATH = "/v1/traces"
MAX_QUEUED = 4096
"""The most spans that wait, about 2 KB each."""
BATCH_SIZE = 512
EXPORT_INTERVAL_MS = 1_000
"""Milliseconds between deliveries, unless ``BATCH_SIZE`` spans wait."""
DELIVERY_SECONDS = 5.0
"""Time limit of a delivery, including its retries."""
CLOSING_SECONDS = 2.0
"""Time limit of the last delivery when the process stops."""


class Reporting(SpanExporter):
    """Logs once when spans cannot be delivered, and once when they can be again."""

    def __init__(self, exporter: SpanExporter, log: structlog.typing.FilteringBoundLogger) -> None:
        self._exporter = exporter
        self._log = log
        self.delivers = True
        """Whether the last delivery succeeded."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Deliver spans. Called in the exporter's thread."""
        result = self._exporter.export(spans)
        delivered = result is SpanExportResult.SUCCESS
        if delivered and not self.delivers:
            self._log.info("traces are delivered again")
        elif not delivered and self.delivers:
            self._log.warning("traces cannot be delivered and are lost: check LEADMAIL_TRACING_URL and its collector")
        self.delivers = delivered
        return result

    def shutdown(self) -> None:
        """Stop, without waiting for a delivery that is to be retried."""
        self._exporter.shutdown()


class _Trusting(HTTPAdapter):
    """Trusts the authorities in ``LEADMAIL_CA_FILE`` in addition to the system's."""

    def __init__(self, ca_file: str) -> None:
        self._context = ssl.create_default_context()
        if ca_file:
            try:
                self._context.load_verify_locations(cafile=ca_file)
            except OSError as error:
                raise SettingsError(
                    f"LEADMAIL_CA_FILE is wrong ({error.strerror or error}): give a PEM file with certificates."
                ) from None
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See ``HTTPAdapter``."""
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)


def make_exporter(settings: ServiceSettings, log: structlog.typing.FilteringBoundLogger) -> Reporting:
    """Return the exporter. OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_HEADERS`` …) apply to what our settings leave open.

    Raises:
        SettingsError: ``LEADMAIL_CA_FILE`` cannot be read.
    """
    url = settings.tracing_url.get_secret_value().rstrip("/")
    session = Session()
    if url.startswith("https:"):
        session.mount("https://", _Trusting(settings.ca_file))
    return Reporting(OTLPSpanExporter(url + PATH, timeout=DELIVERY_SECONDS, session=session), log)


@asynccontextmanager
async def open_tracing(
    settings: ServiceSettings, stage: str, log: structlog.typing.FilteringBoundLogger
) -> AsyncIterator[TracerProvider]:
    """Trace for the duration of a ``with`` block. Waiting spans are delivered at its end if the collector accepts them in time."""
    resource = Resource.create(
        {
            "service.namespace": "leadmail",
            "service.name": f"leadmail-{stage}",
            "service.instance.id": settings.instance,
            "service.version": metadata.version("leadmail"),
        }
    )
    exporter = make_exporter(settings, log)
    sampler = ParentBased(TraceIdRatioBased(settings.tracing_share))
    provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=MAX_QUEUED,
            max_export_batch_size=BATCH_SIZE,
            schedule_delay_millis=EXPORT_INTERVAL_MS,
        )
    )
    try:
        yield provider
    finally:
        await _close(provider, exporter)


async def _close(provider: TracerProvider, exporter: Reporting) -> None:
    """Deliver the waiting spans within a short time; skip this if the last delivery failed."""
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop is closed: nothing waits any more
            loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=close, name="traces", daemon=True).start()
    if exporter.delivers:
        with suppress(TimeoutError):
            await asyncio.wait_for(closed.wait(), CLOSING_SECONDS)
