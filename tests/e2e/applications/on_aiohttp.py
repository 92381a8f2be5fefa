"""``python -m tests.e2e.applications.on_aiohttp FILE``: an application on aiohttp; prints its port."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web

go = asyncio.Event()


async def page(request: web.Request) -> web.Response:
    return web.Response(text="a page of aiohttp")


async def items(request: web.Request) -> web.Response:
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
    told = {name: request.headers.get(name) for name in ("Host", "X-Forwarded-Prefix", "X-Forwarded-For")}
    return web.json_response({"path": request.path, "size": size, **told})


async def file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(sys.argv[1])


async def events(request: web.Request) -> web.StreamResponse:
    go.clear()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: first\n\n")
    await go.wait()
    await response.write(b"data: last\n\n")
    return response


async def went(request: web.Request) -> web.Response:
    go.set()
    return web.Response(status=204)


async def socket(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(protocols=["echo"])
    await response.prepare(request)
    async for message in response:
        if message.type is WSMsgType.TEXT:
            await response.send_str(message.data)
        else:
            await response.send_bytes(message.data)
    return response


async def main() -> None:
    application = web.Application(client_max_size=1 << 30)
    application.router.add_get("/", page)
    application.router.add_post("/items", items)
    application.router.add_get("/file", file)
    application.router.add_get("/events", events)
    application.router.add_post("/go", went)
    application.router.add_get("/socket", socket)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
