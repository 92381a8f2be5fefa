"""``python -m tests.e2e.applications.on_uvicorn FILE SOCKET``: an application on uvicorn; prints that it is ready."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvicorn

go = asyncio.Event()


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
            print("ready", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        await ANSWERS[scope["path"]](scope, receive, send)


async def answer(send: Any, body: bytes, status: int = 200, kind: bytes = b"text/plain") -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})


async def page(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"a page of uvicorn")


async def items(scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    told = {name: fields.get(name.lower()) for name in ("Host", "X-Forwarded-Prefix", "X-Forwarded-For")}
    await answer(send, json.dumps({"path": scope["path"], "size": size, **told}).encode(), kind=b"application/json")


async def events(scope: Any, receive: Any, send: Any) -> None:
    go.clear()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    await go.wait()
    await send({"type": "http.response.body", "body": b"data: last\n\n"})


async def went(scope: Any, receive: Any, send: Any) -> None:
    go.set()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def echo(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept", "subprotocol": "echo"})
        else:
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


ANSWERS = {"/": page, "/items": items, "/events": events, "/go": went}

uvicorn.run(application, uds=sys.argv[2], log_level="warning")
