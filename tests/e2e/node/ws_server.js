// An application on Node's own HTTP server and ws. Writes its port.
const { createServer } = require("node:http");
const { createReadStream, statSync } = require("node:fs");
const { WebSocketServer } = require("ws");

const [, , file] = process.argv;
let go = () => {};

async function items(request, response) {
  let size = 0;
  for await (const piece of request) size += piece.length;
  const told = {};
  for (const name of ["Host", "X-Forwarded-Prefix", "X-Forwarded-For"]) told[name] = request.headers[name.toLowerCase()];
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ path: request.url, size, ...told }));
}

const answers = {
  "/": (request, response) => response.end("a page of node"),
  "/items": items,
  "/file": (request, response) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range);
    response.writeHead(206, { "Content-Range": `bytes ${first}-${last}/${statSync(file).size}` });
    createReadStream(file, { start: Number(first), end: Number(last) }).pipe(response);
  },
  "/events": (request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: first\n\n");
    go = () => response.end("data: last\n\n");
  },
  "/go": (request, response) => {
    go();
    response.writeHead(204).end();
  },
};
const server = createServer((request, response) => answers[request.url](request, response));
new WebSocketServer({ server, perMessageDeflate: true, handleProtocols: (offered) => offered.has("echo") && "echo" }).on("connection", (socket) =>
  socket.on("message", (data, binary) => socket.send(data, { binary })),
);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
