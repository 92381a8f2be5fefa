// The admin listener's API and its WebSocket, with the token where one is needed.

let token = sessionStorage.getItem("wsgate-token") ?? "";

export class NeedsToken extends Error {}

export function setToken(value) {
  token = value;
  if (value) sessionStorage.setItem("wsgate-token", value);
  else sessionStorage.removeItem("wsgate-token");
}

export const hasToken = () => token !== "";

// Returns the answer's JSON. Throws NeedsToken, or an Error that says what is wrong.
export async function ask(method, target) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(`/api/v1/${target}`, { method, headers });
  if (response.status === 401) throw new NeedsToken();
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = { error: text.trim() };
  }
  if (!response.ok) throw new Error(answer.error ?? `the gateway answered ${response.status}`);
  return answer;
}

// Opens a WebSocket of the API: told gets each message, ended is called at the end.
export function listen(target, subprotocol, told, ended) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  // a browser can show the token nowhere else
  const shown = token ? [`bearer.${token}`] : [];
  const socket = new WebSocket(`${scheme}://${location.host}/api/v1/${target}`, [subprotocol, ...shown]);
  socket.onmessage = ({ data }) => told(JSON.parse(data));
  socket.onclose = ended;
  return socket;
}
