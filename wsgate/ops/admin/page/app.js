// The admin page: the live state by WebSocket, the sessions by the API, a page of them at a time.

import { draw } from "/page/chart.js";
import { age, count, meaning, octets } from "/page/show.js";

const PAGE = 50, REFRESH = 3000, RETRY = 2000;
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("wsgate-token") ?? "";
let points = [], offset = 0, total = 0, timer = 0, asked = 0;

async function ask(method, target) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(`/api/v1/${target}`, { method, headers });
  if (response.status === 401) throw new NeedsToken();
  const text = await response.text();
  let answer = {};
  try { answer = JSON.parse(text); } catch { answer = { error: text.trim() }; }
  if (!response.ok) throw new Error(answer.error ?? `the gateway answered ${response.status}`);
  return answer;
}

class NeedsToken extends Error {}

async function begin() {
  try {
    points = (await ask("GET", "history")).points;
  } catch (error) {
    if (error instanceof NeedsToken) return askForToken();
    say(`no answer: ${error.message}`, "alarm");
    return setTimeout(begin, RETRY);
  }
  sessionStorage.setItem("wsgate-token", token);
  $("token-form").hidden = true;
  $("main").hidden = false;
  drawCharts();
  listen();
  list();
}

function askForToken() {
  $("token-error").textContent = token ? "This is not the token." : "";
  say("needs the token", "");
  token = "";
  $("main").hidden = true;
  $("token-form").hidden = false;
  $("token").focus();
}

// -- the live state ---------------------------------------------------------------------------------------------------

function listen() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const live = new WebSocket(`${scheme}://${location.host}/api/v1/live`, ["wsgate.live", ...(token ? [`bearer.${token}`] : [])]);
  live.onmessage = ({ data }) => show(JSON.parse(data));
  live.onclose = () => {
    say("the gateway does not answer", "alarm");
    setTimeout(begin, RETRY);
  };
}

function say(text, kind) {
  $("state").textContent = text;
  $("state").className = `state ${kind}`;
}

function show(now) {
  $("version").textContent = now.version;
  if (now.draining) say(`draining: ${now.sessions} of ${Math.max(now.sessions, now.drained_from)} sessions left`, "alarm");
  else if (now.ready) say(`ready, ${now.sessions} ${now.sessions === 1 ? "session" : "sessions"}`, "good");
  else say(`not ready: ${now.reasons.join("; ")}`, "alarm");
  if (now.point && now.point[0] !== points.at(-1)?.[0]) {
    points = [...points, now.point].slice(-720);
    drawCharts();
  }
  rows($("backends"), now.backends.map((each) => {
    const states = [each.healthy ? "" : "unhealthy", each.ejected ? "ejected" : "", each.draining ? "draining" : ""].filter(Boolean);
    return [cell(each.route), cell(each.backend, "address"), cell(states.join(", ") || "well", states.length ? "bad" : "well"), cell(count(each.sessions), "number")];
  }), "No relay has a backend.");
  const codes = Object.entries(now.codes).sort((one, other) => other[1] - one[1]);
  rows($("codes"), codes.map(([code, number]) => [cell(code), cell(meaning(code)), cell(count(number), "number")]), "No session has ended yet.");
}

function drawCharts() {
  const chart = (name) => document.querySelector(`[data-chart="${name}"]`);
  draw(chart("sessions"), points, [{ name: "up", at: 1, label: "now" }], count);
  draw(chart("messages"), points, [{ name: "up", at: 2, label: "↑ from clients" }, { name: "down", at: 3, label: "↓ to clients" }], count);
  draw(chart("bytes"), points, [{ name: "up", at: 4, label: "↑ from clients" }, { name: "down", at: 5, label: "↓ to clients" }], octets, 1024);
}

// -- sessions ---------------------------------------------------------------------------------------------------------

async function list() {
  clearTimeout(timer);
  const mine = ++asked;
  const query = new URLSearchParams({ sort: $("sort").value, limit: PAGE, offset });
  if ($("search").value.trim()) query.set("q", $("search").value.trim());
  try {
    const answer = await ask("GET", `sessions?${query}`);
    if (mine !== asked) return;
    total = answer.total;
    showSessions(answer.sessions);
    $("sessions-error").textContent = answer.missing_workers ? `Without those of worker ${answer.missing_workers.join(", ")}, which did not answer.` : "";
  } catch (error) {
    if (mine === asked && !(error instanceof NeedsToken)) $("sessions-error").textContent = error.message;
  }
  if (mine === asked) timer = setTimeout(list, REFRESH);
}

function showSessions(sessions) {
  const focused = document.activeElement?.dataset?.close;
  $("total").textContent = count(total);
  $("shown").textContent = total ? `${offset + 1} to ${offset + sessions.length} of ${total}` : "";
  $("previous").disabled = !offset;
  $("next").disabled = offset + sessions.length >= total;
  $("paging").hidden = total <= PAGE && !offset;
  rows($("sessions"), sessions.map((each) => {
    const who = each.user ? `${each.user} · ` : "";
    return [
      named("Session", cell(each.route, "", `${each.id} · ${each.path}`)),
      named("Client", cell(each.client, "address", `${who}${each.host ?? ""}`)),
      named("Backend", cell(each.backend, "address", each.subprotocol ?? "")),
      named("Age", cell(age(each.duration), "number")),
      named("Messages", cell(`↑ ${count(each.messages_up)}  ↓ ${count(each.messages_down)}`, "number")),
      named("Bytes", cell(`↑ ${octets(each.bytes_up)}  ↓ ${octets(each.bytes_down)}`, "number")),
      named("Heartbeat", cell(each.client_rtt_ms === null ? "–" : `${each.client_rtt_ms} ms`, "number")),
      closing(each),
    ];
  }), $("search").value ? "No open session has this in it." : "No session is open.");
  if (focused) document.querySelector(`[data-close="${CSS.escape(focused)}"]`)?.focus();
}

function closing(session) {
  const made = cell("", "number");
  if (session.state !== "open") { made.textContent = session.state; return made; }
  const button = made.appendChild(document.createElement("button"));
  button.type = "button";
  button.textContent = "Close …";
  button.dataset.close = session.id;
  button.setAttribute("aria-label", `Close session ${session.id} of ${session.client}`);
  button.onclick = () => confirmClose(session);
  return made;
}

function confirmClose(session) {
  const dialog = $("close-dialog");
  $("close-what").textContent = `${session.id}: ${session.route}, ${session.client}${session.user ? `, ${session.user}` : ""}`;
  dialog.returnValue = "";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "close") return;
    const query = new URLSearchParams({ code: $("close-code").value, reason: $("close-reason").value });
    try {
      await ask("DELETE", `sessions/${encodeURIComponent(session.id)}?${query}`);
      $("sessions-error").textContent = "";
    } catch (error) {
      $("sessions-error").textContent = `${session.id} was not closed: ${error.message}`;
      return;
    }
    list();
  };
  dialog.showModal();
}

// -- tables: every text is set as text, so no name becomes a part of the page ------------------------------------------

function cell(text, kind = "", small = "") {
  const made = document.createElement("td");
  made.className = kind;
  made.textContent = text;
  if (small) made.appendChild(document.createElement("small")).textContent = small;
  return made;
}

function named(name, made) {
  made.dataset.name = name;
  return made;
}

function rows(table, cells, empty) {
  const body = table.tBodies[0];
  if (!cells.length) {
    const row = document.createElement("tr"), only = cell(empty);
    row.className = "empty";
    only.colSpan = table.tHead.rows[0].cells.length;
    row.append(only);
    body.replaceChildren(row);
    return;
  }
  body.replaceChildren(...cells.map((each) => {
    const row = document.createElement("tr");
    row.append(...each);
    return row;
  }));
}

$("token-form").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  begin();
};
$("search").oninput = () => { offset = 0; list(); };
$("sort").onchange = () => { offset = 0; list(); };
$("previous").onclick = () => { offset = Math.max(0, offset - PAGE); list(); };
$("next").onclick = () => { offset += PAGE; list(); };
begin();
