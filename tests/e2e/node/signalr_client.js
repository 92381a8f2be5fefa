// Calls a hub's method twice by each transport, with SignalR's own client. Writes the results as JSON.
const { HttpTransportType, HubConnectionBuilder, LogLevel } = require("@microsoft/signalr");

const [, , url] = process.argv;

async function talk(transport) {
  const connection = new HubConnectionBuilder().withUrl(url, { transport }).configureLogging(LogLevel.Error).build();
  await connection.start();
  const results = [await connection.invoke("Echo", "one"), await connection.invoke("Echo", "x".repeat(100000))];
  await connection.stop();
  return results.map((result) => [result.slice(0, 5), result.length]);
}

(async () => {
  const all = [];
  for (const transport of [HttpTransportType.WebSockets, HttpTransportType.ServerSentEvents, undefined]) {
    all.push(await talk(transport));
  }
  console.log(JSON.stringify(all));
  process.exit(0);
})();
