"""MQTT over WebSocket: paho's client through the gateway to a mosquitto that knows TCP only."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.peers.sockets import free_port

from . import services
from .gateway import Gateway, StartGateway, tunnel

pytestmark = pytest.mark.needs("mosquitto")

Connect = Callable[..., Awaitable["MqttClient"]]
DEADLINE = 10.0  # seconds for any one step


@pytest.fixture
async def mosquitto(nursery: trio.Nursery, tmp_path: Path) -> int:
    """A broker's TCP port."""
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n")
    await services.start(nursery, "mosquitto", ["-c", config], ready=b"running")
    return port


@pytest.fixture
async def gateway(mosquitto: int, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(tunnel(mosquitto))


@pytest.fixture
async def connect(gateway: Gateway) -> AsyncIterator[Connect]:
    """``await connect(will=topic)``: a connected client."""
    clients: list[MqttClient] = []

    async def connect(*, will: str | None = None) -> MqttClient:
        clients.append(MqttClient(will))
        await clients[-1].connect(gateway.port)
        return clients[-1]

    yield connect
    for client in clients:
        await client.stop()


class MqttClient:
    """paho's client, whose callbacks run in a thread of its own, for use from trio."""

    def __init__(self, will: str | None) -> None:
        self.paho = Client(CallbackAPIVersion.VERSION2, transport="websockets", reconnect_on_failure=False)
        self.paho.ws_set_options(path="/mqtt")
        if will is not None:
            self.paho.will_set(will, b"gone", qos=1)
        self._token = trio.lowlevel.current_trio_token()
        self._sender, self._events = trio.open_memory_channel[tuple[str, Any]](1000)
        self.paho.on_connect = lambda client, data, flags, reason, properties: self._put("connect", reason.is_failure)
        self.paho.on_subscribe = lambda client, data, mid, reasons, properties: self._put("subscribe", mid)
        self.paho.on_publish = lambda client, data, mid, reason, properties: self._put("publish", mid)
        self.paho.on_disconnect = lambda client, data, flags, reason, properties: self._put("disconnect", str(reason))
        self.paho.on_message = lambda client, data, message: self._put("message", message)

    def _put(self, kind: str, value: object) -> None:
        self._token.run_sync_soon(self._sender.send_nowait, (kind, value))

    async def next(self, kind: str) -> Any:
        """The value of the next event, which must be of this kind."""
        with trio.fail_after(DEADLINE):
            seen, value = await self._events.receive()
        assert seen == kind, (seen, value)
        return value

    async def connect(self, port: int) -> None:
        await trio.to_thread.run_sync(self.paho.connect, "127.0.0.1", port)
        self.paho.loop_start()
        assert await self.next("connect") is False

    async def subscribe(self, topic: str) -> None:
        self.paho.subscribe(topic, qos=1)
        await self.next("subscribe")

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the broker's acknowledgement."""
        self.paho.publish(topic, payload, qos=1, retain=retain)
        await self.next("publish")

    async def message(self) -> MQTTMessage:
        message = await self.next("message")
        assert isinstance(message, MQTTMessage)
        return message

    async def disconnect(self) -> None:
        self.paho.disconnect()
        await self.next("disconnect")

    async def break_off(self) -> None:
        """Lose the connection: neither MQTT's DISCONNECT nor WebSocket's Close is sent."""
        sock = self.paho.socket()
        assert sock is not None
        with socket.socket(fileno=os.dup(sock.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)
        await self.next("disconnect")

    async def stop(self) -> None:
        self.paho.disconnect()
        await trio.to_thread.run_sync(self.paho.loop_stop)


async def test_publish_and_subscribe(gateway: Gateway, connect: Connect) -> None:
    subscriber = await connect()
    publisher = await connect()
    await subscriber.subscribe("house/+/light")
    payloads = [b"on", b"", random.Random(1).randbytes(1 << 20)]
    for payload in payloads:
        await publisher.publish("house/kitchen/light", payload)
        message = await subscriber.message()
        assert (message.topic, message.qos, message.retain) == ("house/kitchen/light", 1, False)
        assert message.payload == payload
    await publisher.disconnect()
    line = await gateway.session_line()
    assert (line["route"], line["path"], line["subprotocol"]) == ("tunnel", "/mqtt", "mqtt")
    assert line["bytes_up"] > 1 << 20


async def test_a_retained_message_waits_for_its_subscriber(connect: Connect) -> None:
    publisher = await connect()
    await publisher.publish("house/door", b"locked", retain=True)
    await publisher.disconnect()
    late = await connect()
    late.paho.subscribe("house/door", qos=1)
    kinds = {}
    for _ in range(2):  # the message may come before the acknowledgement of the subscription
        with trio.fail_after(DEADLINE):
            kind, value = await late._events.receive()
        kinds[kind] = value
    assert kinds.keys() == {"subscribe", "message"}
    assert (kinds["message"].payload, kinds["message"].retain) == (b"locked", True)


async def test_the_last_will_is_published_on_an_unclean_end_only(gateway: Gateway, connect: Connect) -> None:
    watcher = await connect()
    await watcher.subscribe("wills/#")
    polite = await connect(will="wills/polite")
    await polite.disconnect()
    await gateway.session_line()
    lost = await connect(will="wills/lost")
    await lost.break_off()
    message = await watcher.message()
    assert (message.topic, message.payload) == ("wills/lost", b"gone")
    line = await gateway.session_line()
    assert (line["client_code"], line["ended_by"], line["reason"]) == (None, "client", "gone")
