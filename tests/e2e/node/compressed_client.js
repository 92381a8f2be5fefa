// compressed_client.js KIND URL: a client with compression, of the package ws or undici. Reads messages as JSON, a
// line each, from its input; writes the extension that was agreed on, and the echoes as they come.
const [, , kind, url] = process.argv;
const { WebSocket } = require(kind);
const socket = new WebSocket(url, kind === "ws" ? { perMessageDeflate: { threshold: 0 } } : []);
socket.binaryType = "arraybuffer";
socket.onopen = () => {
  console.log(socket.extensions);
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { text, data } = JSON.parse(line);
    socket.send(text ?? Buffer.from(data, "base64"));
  });
};
socket.onmessage = ({ data }) =>
  console.log(JSON.stringify(typeof data === "string" ? { text: data } : { data: Buffer.from(data).toString("base64") }));
socket.onclose = ({ code }) => process.exit(code === 1000 ? 0 : 1);
process.on("SIGTERM", () => socket.close(1000));
