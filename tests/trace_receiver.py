"""An OpenTelemetry collector that keeps what it gets: OTLP over HTTP, decoded, on its own port."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True, slots=True)
class Got:
    """A span as it arrived."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    """``""`` of the first."""
    kind: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: dict[str, int]
    failed: bool


@dataclass
class Receiver:
    """What arrived so far."""

    url: str = ""
    answer: HTTPStatus = HTTPStatus.OK
    spans: list[Got] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    refused: int = 0
    """Deliveries that were not taken."""

    def take(self, body: bytes) -> None:
        """Keep a delivery."""
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_values(resource.resource.attributes)["service.name"])
            self.spans += [_got(service, span) for scope in resource.scope_spans for span in scope.spans]

    def of_trace(self, trace: str) -> list[Got]:
        """Return the spans of a trace in the order in which they began."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.start)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Yield a collector that listens until the block ends, with TLS where that is given."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            status = receiver.answer if known else HTTPStatus.NOT_FOUND
            if status is HTTPStatus.OK:
                receiver.take(body)
            else:
                receiver.refused += 1
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _got(service: str, span: trace_pb2.Span) -> Got:
    return Got(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_values(span.attributes),
        events={event.name: event.time_unix_nano for event in span.events},
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
