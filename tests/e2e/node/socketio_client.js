// Asks for a few echoes, first as socket.io starts by default (polling, then an upgrade), then by polling alone.
// Keeps cookies, or with a second argument sends that in each request instead. Writes what it saw as JSON.
const { io } = require("socket.io-client");

const [, , url, client] = process.argv;
const own = client ? { query: { client } } : { withCredentials: true };

async function talk(options) {
  const socket = io(url, { forceNew: true, reconnection: false, ...own, timeout: 5000, ...options });
  const failed = new Promise((_, reject) => socket.on("connect_error", reject));
  const name = await Promise.race([failed, new Promise((resolve) => socket.once("name", resolve))]);
  const { engine } = socket.io;
  const began = options.transports ? "polling" : "polling, then an upgrade";
  if (!options.transports && engine.transport.name !== "websocket") {
    await new Promise((resolve) => engine.once("upgrade", resolve));
  }
  const echoes = [];
  for (const data of ["hello", "x".repeat(100000), Buffer.from([0, 1, 255])]) {
    echoes.push((await socket.timeout(5000).emitWithAck("echo", data)).length);
  }
  const transport = engine.transport.name;
  socket.close();
  return { began, name, transport, echoes };
}

(async () => {
  console.log(JSON.stringify([await talk({}), await talk({ transports: ["polling"] })]));
  process.exit(0);
})();
