"""An OpenTelemetry collector for tests: OTLP over HTTP, with the real protobuf messages."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

DEADLINE = 20.0  # seconds that a test waits for spans


class Collector:
    """Gets spans in a thread.

    url: its address, without a path
    status: what it answers
    requests: the path of each request, and its service and spans
    """

    def __init__(self) -> None:
        self.status = 200
        self.requests: queue.Queue[tuple[str, str, list[Span]]] = queue.Queue()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                body = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                for resource in request.resource_spans:
                    named = {each.key: each.value.string_value for each in resource.resource.attributes}
                    spans = [span for scope in resource.scope_spans for span in scope.spans]
                    collector.requests.put((self.path, named["service.name"], spans))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self, number: int) -> list[Span]:
        """Waits for so many spans, and returns them in the order of their beginning."""
        found: list[Span] = []
        while len(found) < number:
            found += self.requests.get(timeout=DEADLINE)[2]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


@contextmanager
def collector() -> Iterator[Collector]:
    running = Collector()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield running
    finally:
        running.server.shutdown()
        running.server.server_close()
        thread.join()


@contextmanager
def hanging_collector() -> Iterator[str]:
    """Takes connections, and never answers. Yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def attributes(span: Span) -> dict[str, str | int]:
    """Returns a span's attributes; numbers as numbers."""
    return {
        each.key: each.value.int_value if each.value.HasField("int_value") else each.value.string_value
        for each in span.attributes
    }
