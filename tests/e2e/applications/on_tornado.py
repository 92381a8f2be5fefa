"""``python -m tests.e2e.applications.on_tornado FILE``: an application on tornado; prints its port."""

from __future__ import annotations

import asyncio
import os
import sys

from tornado import web, websocket
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

go = asyncio.Event()


class Page(web.RequestHandler):
    def get(self) -> None:
        self.write("a page of tornado")


@web.stream_request_body
class Items(web.RequestHandler):
    def prepare(self) -> None:
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        names = ("Host", "X-Forwarded-Prefix", "X-Forwarded-For")
        told = {name: self.request.headers.get(name) for name in names}
        self.write({"path": self.request.path, "size": self.size, **told})


class Events(web.RequestHandler):
    async def get(self) -> None:
        go.clear()
        self.set_header("Content-Type", "text/event-stream")
        self.write("data: first\n\n")
        await self.flush()
        await go.wait()
        self.write("data: last\n\n")


class Went(web.RequestHandler):
    def post(self) -> None:
        go.set()
        self.set_status(204)


class Socket(websocket.WebSocketHandler):
    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "echo" if "echo" in subprotocols else None

    def get_compression_options(self) -> dict[str, int]:
        return {}  # compression is on

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    directory, name = os.path.split(sys.argv[1])
    application = web.Application(
        [
            ("/", Page),
            ("/items", Items),
            ("/(file)", web.StaticFileHandler, {"path": directory}),
            ("/events", Events),
            ("/go", Went),
            ("/socket", Socket),
        ]
    )
    assert name == "file"
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(application, max_body_size=1 << 30).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
