// The dialogs: all that is known of a session, and ending one.

import { ask } from "/page/gateway.js";
import { age, octets } from "/page/show.js";
import { $, element } from "/page/tables.js";
import { endTap, startTap } from "/page/tap.js";

const REFRESH = 2000; // milliseconds
const MOST_REASON = 123; // bytes (RFC 6455 §5.5)
const FORMATS = {
  duration: age,
  bytes_up: octets,
  bytes_down: octets,
  throttled_up: (value) => `${value} s`,
  throttled_down: (value) => `${value} s`,
  client_rtt_ms: (value) => `${value} ms`,
  backend_rtt_ms: (value) => `${value} ms`,
};

let timer = 0;

export function openDetails(session) {
  const dialog = $("details");
  dialog.dataset.session = session.id;
  $("details-title").textContent = `Session ${session.id}`;
  $("details-error").textContent = "";
  $("details-fields").replaceChildren();
  showFields(session);
  dialog.onclose = () => {
    clearTimeout(timer);
    endTap();
  };
  dialog.showModal();
  $("tap-button").hidden = "ended" in session;
  if (!("ended" in session)) timer = setTimeout(() => refresh(session.id), REFRESH);
}

async function refresh(id) {
  try {
    const { session } = await ask("GET", `sessions/${encodeURIComponent(id)}`);
    if (!$("details").open) return;
    showFields(session);
  } catch (error) {
    return showEnding(id, error.message);
  }
  timer = setTimeout(() => refresh(id), REFRESH);
}

// A session that is not open any more: why it ended, where the gateway still knows that
async function showEnding(id, message) {
  let ended;
  try {
    const { sessions } = await ask("GET", `endings?${new URLSearchParams({ q: id })}`);
    ended = sessions.find((each) => each.id === id);
  } catch {
    // what is said is why there was no answer before
  }
  if ($("details").dataset.session !== id) return;
  $("details-error").textContent = ended ? "This session has ended." : `${message}.`;
  if (ended) showFields(ended);
}

function showFields(session) {
  const list = $("details-fields");
  const known = Object.entries(session).filter(([, value]) => value !== null && value !== "");
  for (const [name, value] of known) {
    const text = (FORMATS[name] ?? String)(value);
    let field = list.querySelector(`[data-field="${name}"]`);
    if (!field) {
      const row = list.appendChild(element("div"));
      row.append(element("dt", "", name.replaceAll("_", " ")));
      field = row.appendChild(element("dd"));
      field.dataset.field = name;
    }
    const shown = element("dd", "", text).textContent;
    if (field.textContent !== shown) field.textContent = shown;
  }
}

// ended: called after the session was ended
export function confirmClose(session, ended) {
  const dialog = $("close-dialog");
  const who = [session.client, session.user].filter(Boolean).join(", ");
  $("close-what").replaceChildren(element("span", "", `${session.id}: ${session.route}, ${who}`));
  dialog.returnValue = "";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "close") return;
    const code = $("close-code").value;
    const query = new URLSearchParams({ code, reason: $("close-reason").value });
    try {
      await ask("DELETE", `sessions/${encodeURIComponent(session.id)}?${query}`);
    } catch (error) {
      $("sessions-error").textContent = `${session.id} was not ended: ${error.message}`;
      return;
    }
    $("said").textContent = `${session.id} of ${session.client} is ended with ${code}.`;
    ended();
  };
  dialog.showModal();
}

export function startDialogs() {
  $("details-leave").onclick = () => $("details").close();
  startTap();
  $("close-not").onclick = () => $("close-dialog").close();
  $("close-reason").oninput = ({ target }) => {
    const size = new TextEncoder().encode(target.value).length;
    target.setCustomValidity(size > MOST_REASON ? `A reason has at most ${MOST_REASON} bytes.` : "");
  };
}
