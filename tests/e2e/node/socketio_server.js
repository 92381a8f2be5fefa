// A socket.io server as its pages show it. Writes its port, and says to each client which of the servers it is.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const [, , name] = process.argv;
const server = createServer((request, response) => response.end(`page of ${name}`));
const io = new Server(server);
io.on("connection", (socket) => {
  socket.emit("name", name);
  socket.on("echo", (data, reply) => reply(data));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
