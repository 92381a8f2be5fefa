// What a SignalR hub with one method says on the wire (JSON hub protocol): negotiate, then a WebSocket or server-sent
// events. Each server knows only the connections that were negotiated with it. Writes its port.
const { createServer } = require("node:http");
const { randomUUID } = require("node:crypto");
const { WebSocketServer } = require("ws");

const [, , name] = process.argv;
const END = "\x1e";
const known = new Map(); // connection token -> a function that sends text to its client, once it has connected

function answer(token, text) {
  for (const part of text.split(END).slice(0, -1)) {
    const message = JSON.parse(part);
    if (message.protocol) known.get(token)("{}" + END);
    if (message.type !== 1) continue;
    const result = `${name} ${message.arguments[0]}`;
    known.get(token)(JSON.stringify({ type: 3, invocationId: message.invocationId, result }) + END);
  }
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  let body = "";
  for await (const piece of request) body += piece;
  if (url.pathname.endsWith("/negotiate")) {
    const token = randomUUID();
    known.set(token, () => {});
    const transports = ["WebSockets", "ServerSentEvents"];
    const availableTransports = transports.map((transport) => ({ transport, transferFormats: ["Text"] }));
    response.end(JSON.stringify({ negotiateVersion: 1, connectionId: token, connectionToken: token, availableTransports }));
  } else if (!known.has(url.searchParams.get("id"))) {
    response.writeHead(404).end("No Connection with that ID");
  } else if (request.method === "GET") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(":\r\n");
    known.set(url.searchParams.get("id"), (text) => response.write(`data: ${text}\r\n\r\n`));
  } else {
    answer(url.searchParams.get("id"), body);
    response.end();
  }
});
const sockets = new WebSocketServer({ noServer: true });
server.on("upgrade", (request, socket, head) => {
  const token = new URL(request.url, "http://localhost").searchParams.get("id");
  if (!known.has(token)) return socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  sockets.handleUpgrade(request, socket, head, (connection) => {
    known.set(token, (text) => connection.send(text));
    connection.on("message", (data) => answer(token, data.toString()));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
