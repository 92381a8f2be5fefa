// Numbers and texts for people, and the meaning of close codes and causes.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function octets(value) {
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export function count(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e5) return `${Math.round(value / 1e3)} k`;
  return value >= 10 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

export function sessions(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "session" : "sessions"}`;
}

export function age(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole >= 86400) return `${Math.floor(whole / 86400)}d ${two(Math.floor(whole / 3600) % 24)}h`;
  if (whole >= 3600) return `${Math.floor(whole / 3600)}h ${two(Math.floor(whole / 60) % 60)}m`;
  return whole >= 60 ? `${Math.floor(whole / 60)}m ${two(whole % 60)}s` : `${whole}s`;
}

export const milliseconds = (value) => (value == null ? "–" : `${value} ms`);

// A stranger's text with what one cannot see made visible: control characters, and those that turn the direction of text.
export function visible(text) {
  return String(text ?? "").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (char) => {
    return `\\u${char.codePointAt(0).toString(16).padStart(4, "0")}`;
  });
}

const MEANINGS = {
  1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "kind of data not taken", 1005: "a Close without a code",
  1007: "text that is not UTF-8", 1008: "policy", 1009: "message too big", 1010: "extension missing", 1011: "internal error",
  1012: "come back: restart", 1013: "try again later", 1014: "bad gateway", none: "no Close: the connection ended",
};

export function meaning(code) {
  return MEANINGS[code] ?? (/^[34]/.test(code) ? "of the application" : "");
}

const CAUSES = {
  closed: "sent a Close", finished: "ended its stream", gone: "lost the connection, without a Close", fault: "broke the protocol",
  too_big: "sent more than the limits allow", silent: "did not answer a Ping", stuck: "took nothing for too long",
  unanswered: "did not answer the Close", idle: "no data in either direction", lifetime: "as old as a session may be",
  revoked: "its token is no longer valid", unhealthy: "the backend is unhealthy", moved: "to come back to another backend",
  operator: "ended by hand", unrecorded: "could not be recorded", drain: "the gateway stops", bug: "a bug of the gateway",
  cut: "did not end in time",
};

export const cause = (name) => CAUSES[name] ?? name.replaceAll("_", " ");
