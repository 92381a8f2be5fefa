// The table of sessions: a page of them at a time, which the gateway searches and sorts; the slowest heartbeats, and the
// sessions that ended last.

import { ask, NeedsToken } from "/page/gateway.js";
import { age, cause, count, milliseconds, octets } from "/page/show.js";
import { $, fill } from "/page/tables.js";

const PAGE = 25, SLOWEST = 5, ENDED = 20; // sessions
const REFRESH = 3000, PAUSE = 250; // milliseconds: between two answers; from the last key of a search to its question
const SHORTEST = 1000; // milliseconds over which a rate is measured
const SHARE = 10; // what took a second is asked again ten seconds later
const COUNTED = ["messages_up", "messages_down", "bytes_up", "bytes_down"];

// sort: what a first press on a column's head asks for; -x is the largest first
const COLUMNS = [
  { label: "Session", sort: "route" },
  { label: "Client", sort: "client" },
  { label: "Backend", sort: "backend" },
  { label: "Age", sort: "duration", kind: "number" },
  { label: "Messages ↑", sort: "-messages_up", kind: "number" },
  { label: "Messages ↓", sort: "-messages_down", kind: "number" },
  { label: "Bytes ↑", sort: "-bytes_up", kind: "number" },
  { label: "Bytes ↓", sort: "-bytes_down", kind: "number" },
  { label: "Heartbeat", sort: "-client_rtt_ms", kind: "number" },
  { label: "", kind: "number" },
];
const ORDERS = [
  ["duration", "newest first"], ["-duration", "oldest first"], ["-bytes_down", "most bytes down"], ["-bytes_up", "most bytes up"],
  ["-messages_down", "most messages down"], ["-messages_up", "most messages up"], ["-client_rtt_ms", "slowest heartbeat"],
  ["route", "by route"], ["client", "by client"], ["user", "by user"], ["backend", "by backend"],
];

let sort = "duration", offset = 0, total = 0, timer = 0, asked = 0, mayChange = false;
let measured = new Map(); // of the sessions that are shown: their counts, when they were so, and the rates up to then
let known = new Map(); // the sessions that are shown
let opened, closing; // what to do with a session

export function startSessions(openDetails, close) {
  opened = openDetails;
  closing = close;
  const head = $("sessions").tHead.rows[0];
  for (const { label, sort: order, kind } of COLUMNS) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.setAttribute("role", "columnheader");
    cell.className = kind ?? "";
    if (order) {
      const button = cell.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = label;
      button.dataset.sort = order;
      button.onclick = () => setSort(sort === order ? turned(order) : order);
    } else {
      cell.append(Object.assign(document.createElement("span"), { className: "unseen", textContent: "End it" }));
    }
    head.append(cell);
  }
  for (const [value, text] of ORDERS) $("sort").append(new Option(text, value));
  $("sort").onchange = () => setSort($("sort").value);
  $("search").oninput = () => {
    offset = 0;
    clearTimeout(timer);
    timer = setTimeout(list, PAUSE);
  };
  $("previous").onclick = () => turnTo(offset - PAGE);
  $("next").onclick = () => turnTo(offset + PAGE);
  document.addEventListener("visibilitychange", () => document.hidden || list());
  showSort();
}

export function allowChanges(may) {
  if (may === mayChange && $("only-read").hidden === may) return;
  mayChange = may;
  $("only-read").hidden = may;
  show([...known.values()]);
}

const turned = (order) => (order.startsWith("-") ? order.slice(1) : `-${order}`);

function setSort(order) {
  sort = order;
  turnTo(0);
  showSort();
}

function showSort() {
  for (const button of document.querySelectorAll("[data-sort]")) {
    const is = [button.dataset.sort, turned(button.dataset.sort)].includes(sort);
    const direction = sort.startsWith("-") ? "descending" : "ascending";
    if (is) button.parentElement.setAttribute("aria-sort", direction);
    else button.parentElement.removeAttribute("aria-sort");
  }
  if (![...$("sort").options].some((each) => each.value === sort)) $("sort").append(new Option(sort, sort));
  $("sort").value = sort;
}

function turnTo(place) {
  offset = Math.max(0, place);
  list();
}

// Asks for the page that is shown, and again after a while; nothing while nobody looks.
export async function list() {
  clearTimeout(timer);
  const mine = ++asked;
  const search = $("search").value.trim() ? { q: $("search").value.trim() } : {};
  const query = (parts) => new URLSearchParams(parts);
  const began = performance.now();
  try {
    // one after the other: the browser needs one connection for them, and the gateway has a hundred for all viewers
    const answer = await ask("GET", `sessions?${query({ ...search, sort, limit: PAGE, offset })}`);
    const slow = await ask("GET", `sessions?${query({ sort: "-client_rtt_ms", limit: SLOWEST })}`);
    const ended = await ask("GET", `endings?${query({ ...search, limit: ENDED })}`);
    if (mine !== asked) return;
    total = answer.total;
    if (offset >= total && offset) return turnTo(Math.floor((total - 1) / PAGE) * PAGE); // the last page is another now
    show(answer.sessions);
    showSlowest(slow.sessions);
    showEnded(ended.sessions);
    const missing = answer.missing_workers;
    $("sessions-error").textContent = missing ? `Without those of worker ${missing.join(", ")}, which did not answer.` : "";
  } catch (error) {
    if (mine !== asked || error instanceof NeedsToken) return;
    $("sessions-error").textContent = error.message;
  }
  const took = performance.now() - began;
  if (!document.hidden) timer = setTimeout(list, Math.max(REFRESH, SHARE * took));
}

function show(sessions) {
  known = new Map(sessions.map((each) => [each.id, each]));
  $("total").textContent = total.toLocaleString("en");
  const [from, to, all] = [offset + 1, offset + sessions.length, total].map((number) => number.toLocaleString("en"));
  $("shown").textContent = total ? `${from} to ${to} of ${all}` : "";
  $("previous").disabled = !offset;
  $("next").disabled = offset + sessions.length >= total;
  $("paging").hidden = total <= PAGE && !offset;
  const now = performance.now();
  measured = new Map(sessions.map((each) => [each.id, measure(each, measured.get(each.id), now)]));
  const sentence = $("search").value.trim() ? "No open session has this in it." : "No session is open.";
  fill($("sessions"), sessions.map((each) => ({ key: each.id, cells: cells(each) })), sentence);
}

// Returns counts with their rates per second since the counts before; between two quick answers those stay.
function measure(counts, last, now) {
  if (!last) return { counts, at: now, rates: null };
  if (now - last.at < SHORTEST) return last;
  const rates = {};
  for (const name of COUNTED) rates[name] = (counts[name] - last.counts[name]) / ((now - last.at) / 1000);
  return { counts, at: now, rates };
}

function cells(session) {
  const { rates } = measured.get(session.id);
  const who = [session.user, session.host].filter(Boolean).join(" · ");
  const counted = (name, format) => ({
    text: format(session[name]),
    small: rates?.[name] ? `${format(rates[name])}/s` : "",
    kind: "number",
  });
  const may = mayChange && session.state === "open";
  const end = (id) => closing(known.get(id));
  return [
    idCell(session, `${session.route} · ${session.path}`, (id) => opened(known.get(id))),
    { text: session.client, small: who, kind: "address" },
    { text: session.backend, small: session.subprotocol ?? "", kind: "address" },
    { text: age(session.duration), kind: "number" },
    counted("messages_up", count),
    counted("messages_down", count),
    counted("bytes_up", octets),
    counted("bytes_down", octets),
    { text: milliseconds(session.client_rtt_ms), kind: "number" },
    may
      ? { text: "End …", kind: "number end", button: "close", press: end, title: `End session ${session.id} of ${session.client}` }
      : { text: session.state === "open" ? "" : session.state, kind: "number end" },
  ].map((cell, column) => ({ ...cell, label: COLUMNS[column].label }));
}

// A session's id, which opens its details
function idCell({ id }, small, press) {
  return { text: id, small, button: "link", press, title: `Session ${id}: all that is known` };
}

function showSlowest(sessions) {
  const answered = sessions.filter((each) => each.client_rtt_ms !== null);
  fill($("slowest"), answered.map((each) => ({
    key: each.id,
    cells: [
      idCell(each, "", () => opened(each)),
      { text: each.route },
      { text: each.client, kind: "address" },
      { text: milliseconds(each.client_rtt_ms), kind: "number" },
    ],
  })), "No client has answered a Ping yet.");
}

function showEnded(sessions) {
  const labels = ["Ended", "Session", "Client", "Age", "Ended by", "Why", "Close"];
  fill($("ended"), sessions.map((each) => ({
    key: each.id,
    cells: [
      { text: new Date(each.ended).toLocaleTimeString("en-GB") },
      idCell(each, `${each.route} · ${each.path}`, () => opened(each)),
      { text: each.client, small: each.user ?? "", kind: "address" },
      { text: age(each.duration), kind: "number" },
      { text: each.ended_by },
      { text: each.reason, small: each.detail ?? cause(each.reason) },
      { text: each.client_code ?? "none", small: each.client_reason ?? "" },
    ].map((cell, column) => ({ ...cell, label: labels[column] })),
  })), $("search").value.trim() ? "None that ended last has this in it." : "No session has ended yet.");
}
