// What the gateway says every two seconds: its state, the charts, backends, endings, close codes.

import { Chart } from "/page/chart.js";
import { cause, count, meaning, octets, sessions, visible } from "/page/show.js";
import { $, fill } from "/page/tables.js";

const HOUR = 720; // points

const chart = (name, ...more) => new Chart(document.querySelector(`[data-chart="${name}"]`), ...more);
const both = (at) => [{ name: "up", at, label: "↑ from clients" }, { name: "down", at: at + 1, label: "↓ to clients" }];
const charts = [
  chart("sessions", [{ name: "up", at: 1, label: "open" }], count),
  chart("messages", both(2), count),
  chart("bytes", both(4), octets, 1024),
];
let points = [];

export function showHistory(history) {
  points = history;
  for (const each of charts) each.update(points);
}

export function say(text, kind) {
  $("state").textContent = text;
  $("state").className = `state ${kind}`;
}

export function show(now) {
  $("version").textContent = now.version;
  document.title = `${now.ready ? "" : "! "}wsgate: ${sessions(now.sessions)}`;
  if (now.draining) say(`draining, ${sessions(now.sessions)} left`, "alarm");
  else if (now.ready) {
    const drains = now.draining_routes.map((name) => `; ${visible(name)} drains`);
    say(`ready, ${sessions(now.sessions)}${drains.join("")}`, "good");
  }
  else say(`not ready: ${now.reasons.join("; ")}`, "alarm");
  showDrain(now);
  if (now.point && now.point[0] !== points.at(-1)?.[0]) showHistory([...points, now.point].slice(-HOUR));

  const states = ({ healthy, ejected, draining }) =>
    [healthy ? "" : "unhealthy", ejected ? "ejected" : "", draining ? "draining" : ""].filter(Boolean);
  // what is not well comes first, because somebody looks for that
  const backends = now.backends.map((each) => ({ ...each, states: states(each) }));
  backends.sort((one, other) => (other.states.length > 0) - (one.states.length > 0));
  fill($("backends"), backends.map(({ route, backend, states, sessions }) => ({
    key: JSON.stringify([route, backend]),
    cells: [
      { text: route },
      { text: backend, kind: "address" },
      { text: states.join(", ") || "well", kind: states.length ? "bad" : "well" },
      { text: count(sessions), kind: "number" },
    ],
  })), "No relay has a backend.");

  fill($("causes"), now.endings.map(({ side, cause: name, sessions }) => ({
    key: `${side} ${name}`,
    cells: [{ text: side }, { text: name, small: cause(name) }, { text: count(sessions), kind: "number" }],
  })), "No session has ended yet.");

  const codes = Object.entries(now.codes).sort((one, other) => other[1] - one[1]);
  fill($("codes"), codes.map(([code, number]) => ({
    key: code,
    cells: [{ text: code }, { text: meaning(code) }, { text: count(number), kind: "number" }],
  })), "No session has ended yet.");
}

function showDrain({ draining, sessions: left, drained_from }) {
  const from = Math.max(left, drained_from);
  $("drain").hidden = !draining;
  $("drain-progress").max = Math.max(from, 1);
  $("drain-progress").value = from - left;
  $("drain-text").textContent = `${(from - left).toLocaleString("en")} of ${sessions(from)} have ended, ${left.toLocaleString("en")} are still open.`;
}
