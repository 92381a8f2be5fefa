// An echo server on npm's ws, with its own compression and its defaults. Its arguments: a port, the node_modules with ws.
"use strict";
const [port, modules] = process.argv.slice(2);
const { WebSocketServer } = require(require.resolve("ws", { paths: [modules] }));

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), perMessageDeflate: true });
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
