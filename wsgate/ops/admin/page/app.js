// The admin page: the live state by WebSocket, the sessions by the API, a page of them at a time.

import { confirmClose, openDetails, startDialogs } from "/page/dialogs.js";
import { ask, hasToken, listen, NeedsToken, setToken } from "/page/gateway.js";
import { say, show, showHistory } from "/page/overview.js";
import { allowChanges, list, startSessions } from "/page/sessions.js";
import { $ } from "/page/tables.js";

const RETRY = 2000; // milliseconds

async function begin() {
  let history;
  try {
    history = await ask("GET", "history");
  } catch (error) {
    if (error instanceof NeedsToken) return askForToken();
    say(`no answer: ${error.message}`, "alarm");
    return setTimeout(begin, RETRY);
  }
  $("token-form").hidden = true;
  $("main").hidden = false;
  showHistory(history.points);
  const told = (now) => {
    show(now);
    allowChanges(now.may_change);
  };
  listen("live", "wsgate.live", told, () => {
    say("the gateway does not answer", "alarm");
    setTimeout(begin, RETRY);
  });
  list();
}

function askForToken() {
  $("token-error").textContent = hasToken() ? "This is not the token." : "";
  say("needs the token", "");
  setToken("");
  $("main").hidden = true;
  $("token-form").hidden = false;
  $("token").focus();
}

$("token-form").onsubmit = (event) => {
  event.preventDefault();
  setToken($("token").value.trim());
  begin();
};
startSessions(openDetails, (session) => confirmClose(session, list));
startDialogs();
begin();
