// Close codes in plain words (RFC 6455 §7.4), and who closed.

export const CODES = {
  1000: "Normal: what the session was for is done. In a tunnel, the TCP service ended its stream.",
  1001: "Going away: the gateway is shutting down or draining, or a page was left.",
  1002: "Protocol error: a frame broke the rules of RFC 6455.",
  1003: "Unsupported data: messages of this kind are not taken, such as text in a tunnel.",
  1005: "No code: the Close frame was empty. Never on the wire; it is how the browser reports that.",
  1006: "Abnormal: the connection was lost without a Close frame. Never on the wire, either.",
  1007: "Invalid data: a text message was not UTF-8.",
  1008: "Policy violation: what was sent is not allowed here.",
  1009: "Too big: a message was larger than the other side takes.",
  1011: "Internal error: the backend went away without a Close, or reset its connection.",
  1012: "Service restart: come back in a moment.",
  "4xxx": "Private: 4000 to 4999 mean what the application says, and pass unchanged.",
};

export function explain(code) {
  if (code in CODES) return CODES[code];
  if (code >= 4000 && code <= 4999) return CODES["4xxx"];
  if (code >= 3000 && code <= 3999) return "Registered by a library or framework; passes unchanged.";
  return "A code that this page does not know.";
}

// The browser is told a code, not who chose it; with the two services of the demo it can be inferred.
export function closedBy({ code, closing, opened }, stream) {
  if (!opened) return "nobody";
  if (closing) return "you";
  if (code === 1006) return "nobody";
  if (code === 1000 || code === 1005 || code >= 3000) return "backend";
  return "gateway";
}

// What a page may close with: WebSocket.close() throws for everything else.
export function whyNotSent(code) {
  if (code === undefined) return "";
  if (code === 1000 || (code >= 3000 && code <= 4999)) return "";
  return "A page may send 1000, 3000 to 4999, or none.";
}

// A reason with what one cannot see made visible: control characters, and those that turn the direction of text.
export function visible(reason) {
  return reason.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u${char.codePointAt(0).toString(16).padStart(4, "0")}`);
}
