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
  return told(await request(target, { method }));
}

// Reads an answer of lines, each of them JSON: said gets each, until the answer ends or the signal aborts it.
// Throws as ask does; an answer that is aborted or breaks off ends without a word.
export async function read(target, said, signal) {
  const response = await request(target, { signal });
  if (!response.ok) await told(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const lines = (pending + piece.value).split("\n");
      pending = lines.pop();
      for (const line of lines) said(JSON.parse(line));
    }
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
  }
}

function request(target, options) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(`/api/v1/${target}`, { ...options, headers });
}

async function told(response) {
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

// Opens a WebSocket of the API: said gets each message, ended is called at the end.
export function listen(target, subprotocol, said, ended) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  // a browser can show the token nowhere else
  const shown = token ? [`bearer.${token}`] : [];
  const socket = new WebSocket(`${scheme}://${location.host}/api/v1/${target}`, [subprotocol, ...shown]);
  socket.onmessage = ({ data }) => said(JSON.parse(data));
  socket.onclose = ended;
  return socket;
}
