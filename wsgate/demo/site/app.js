// The demo page: two services behind one gateway, a panel for each, and the table of endings.

import { randomBytes, randomLine, utf8 } from "./bytes.js";
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
      { action: "end-code", label: "close 4000 bye", hint: "The backend closes with this code and reason", encode: text },
      { action: "end-drop", label: "drop", hint: "The backend drops its connection without a Close", encode: text },
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
      { action: "end-quit", label: "quit", hint: "The service ends its TCP stream (FIN)", encode: line },
      { action: "end-reset", label: "reset", hint: "The service resets its TCP connection", encode: line },
    ],
  },
];

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const endings = new Endings(document.getElementById("endings"));

for (const service of SERVICES) {
  const url = `${scheme}//${location.host}/${service.name}`;
  const panel = new Panel({ ...service, url }, endings);
  document.getElementById("panels").append(panel.root);
}
document.getElementById("gateway").textContent = location.host;
listCodes(document.getElementById("codes"));
