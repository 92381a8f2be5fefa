// The demo page: two services behind one gateway, a panel for each, and the table of endings.

import { randomBytes, randomLine, utf8 } from "./bytes.js";
import { offerConfiguration } from "./configuration.js";
import { Endings, listCodes } from "./endings.js";
import { Panel } from "./panel.js";

const line = (text) => utf8.encode(`${text}\n`);
const text = (value) => value;
const bytes = (value) => utf8.encode(value);

const SERVICES = [
  {
    name: "echo",
    title: "Relay",
    about: "WebSocket to WebSocket. A message keeps its kind, its bounds and its bytes.",
    subprotocol: "echo.v1",
    stream: false,
    greeting: "Hello, gateway ✓",
    random: randomBytes,
    senders: [
      { action: "send-text", label: "Send as text", encode: text },
      { action: "send-binary", label: "Send as binary", encode: bytes },
    ],
    ends: [
      { action: "end-code", label: "close 4000 bye", hint: "It sends a Close with this code and reason, which you get.", encode: text },
      { action: "end-drop", label: "drop", hint: "It drops its connection without a Close: you get 1011.", encode: text },
    ],
  },
  {
    name: "lines",
    title: "Tunnel",
    about: "WebSocket to TCP. Frames become a stream of bytes, and the service echoes lines.",
    subprotocol: "binary",
    stream: true,
    greeting: "Hello, TCP",
    random: randomLine,
    senders: [
      { action: "send-binary", label: "Send line", encode: line },
      { action: "send-text", label: "Send as text anyway", encode: (value) => `${value}\n` },
    ],
    ends: [
      { action: "end-quit", label: "quit", hint: "It ends its TCP stream in good order (FIN): you get 1000.", encode: line },
      { action: "end-reset", label: "reset", hint: "It breaks its TCP connection off (RST): you get 1011.", encode: line },
    ],
  },
];

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const endings = new Endings(document.getElementById("endings"), document.getElementById("newest"));
const both = document.getElementById("connect-both");
const panels = [];

function enableBoth() {
  both.disabled = !panels.some((panel) => panel.mayConnect);
}

for (const service of SERVICES) {
  const url = `${scheme}//${location.host}/${service.name}`;
  panels.push(new Panel({ ...service, url }, endings, enableBoth));
}
enableBoth();
both.addEventListener("click", () => {
  for (const panel of panels) if (panel.mayConnect) panel.connect();
});
document.getElementById("panels").append(...panels.map((panel) => panel.root));
document.getElementById("gateway").textContent = location.host;
// the admin listener is on the gateway's loopback: only a browser of that machine reaches it
document.getElementById("admin").hidden = !/^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
listCodes(document.getElementById("codes"));
offerConfiguration(document.getElementById("copy"), document.getElementById("configuration"));
