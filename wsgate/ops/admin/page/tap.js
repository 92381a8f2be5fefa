// The frames of one session as they pass: the last of them, at most once for each picture of the screen.

import { read } from "/page/gateway.js";
import { count, octets, visible } from "/page/show.js";
import { $, element } from "/page/tables.js";

const KEPT = 200; // frames
const SHOWN = 200; // characters of a payload
const ARROWS = { up: "↑", down: "↓" };

let stop = null; // ends the tap that runs
let frames = [], fresh = 0, passed = 0, dropped = 0, painting = false;

export function startTap() {
  $("tap-button").onclick = () => (stop ? stop.abort() : tap($("details").dataset.session));
}

export function endTap() {
  stop?.abort();
  $("tap-frames").replaceChildren();
  $("tap-state").textContent = "";
}

async function tap(id) {
  const mine = new AbortController();
  stop = mine;
  frames = [];
  fresh = passed = dropped = 0;
  $("tap-frames").replaceChildren();
  $("tap-button").textContent = "Stop";
  say("waits for the next frame …");
  let ending = "";
  try {
    await read(`sessions/${encodeURIComponent(id)}/tap`, (line) => {
      if (stop !== mine) return;
      ending = take(line) ?? ending;
    }, mine.signal);
  } catch (error) {
    if (error.name !== "AbortError") ending = error.message;
  }
  if (stop !== mine) return;
  stop = null;
  $("tap-button").textContent = "Watch the frames";
  paint();
  say([passed || dropped ? summary() : "", ending].filter(Boolean).join("; "));
}

// Takes a line of the tap. Returns how the session has ended, where it says so.
function take(line) {
  if (line.event === "frame") {
    passed += 1;
    frames.push(line);
    fresh += 1;
  } else if (line.event === "dropped") {
    dropped += line.frames;
    frames.push(line);
    fresh += 1;
  } else if (line.event === "end") {
    return `the session has ended: ${[line.reason, line.client_code, line.client_reason].filter(Boolean).join(" ")}`;
  }
  if (frames.length > KEPT) frames = frames.slice(-KEPT);
  if (!painting) {
    painting = true;
    requestAnimationFrame(() => {
      painting = false;
      if (stop) paint();
    });
  }
  return undefined;
}

function paint() {
  const list = $("tap-frames"), box = list.parentElement;
  const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 8;
  list.append(...frames.slice(-Math.min(fresh, KEPT)).map(entry));
  fresh = 0;
  while (list.childElementCount > KEPT) list.firstElementChild.remove();
  if (follows) box.scrollTop = box.scrollHeight;
  if (passed || dropped) say(summary());
}

const say = (text) => ($("tap-state").textContent = visible(text));
const summary = () => `${count(passed)} ${passed === 1 ? "frame" : "frames"}${dropped ? `, ${count(dropped)} more were not shown: they came too fast` : ""}`;

function entry(line) {
  const made = element("li", line.event === "dropped" ? "dropped" : line.direction);
  if (line.event === "dropped") {
    made.append(element("span", "wide", `${count(line.frames)} frames are not shown`));
    return made;
  }
  const at = new Date(line.time);
  const clock = `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  made.append(
    element("time", "", clock), element("span", "arrow", ARROWS[line.direction]), element("span", "unseen", line.direction),
    element("span", "", line.opcode), element("span", "size", octets(line.size)), element("span", "flags", line.flags.join(" ")),
    element("span", "payload", content(line)),
  );
  return made;
}

function content({ code, payload, flags }) {
  if (payload === undefined) return code ?? "";
  const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
  const start = code === undefined ? 0 : Math.min(2, bytes.length); // behind the code of a Close
  const before = code ? `${code} ` : "";
  if (!flags.includes("RSV1")) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start), { stream: true });
      if (!/[\0-\x08\x0e-\x1f]/.test(text)) return before + text.slice(0, SHOWN);
    } catch {
      // no UTF-8: shown in hexadecimal
    }
  }
  const hex = Array.from(bytes.subarray(start, start + SHOWN / 4), (byte) => byte.toString(16).padStart(2, "0"));
  return before + hex.join(" ");
}
