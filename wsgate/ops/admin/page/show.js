// Numbers for people, and the meaning of close codes.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function octets(value) {
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) { value /= 1024; unit += 1; }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export function count(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

export function age(seconds) {
  const whole = Math.floor(seconds), pad = (number) => String(number).padStart(2, "0");
  if (whole >= 86400) return `${Math.floor(whole / 86400)}d ${pad(Math.floor(whole / 3600) % 24)}h`;
  if (whole >= 3600) return `${Math.floor(whole / 3600)}h ${pad(Math.floor(whole / 60) % 60)}m`;
  return whole >= 60 ? `${Math.floor(whole / 60)}m ${pad(whole % 60)}s` : `${whole}s`;
}

const MEANINGS = {
  1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "kind of data not taken", 1005: "a Close without a code",
  1007: "text that is not UTF-8", 1008: "policy", 1009: "message too big", 1010: "extension missing", 1011: "internal error",
  1012: "come back: restart", 1013: "try again later", 1014: "bad gateway", none: "no Close: the connection ended",
};

export function meaning(code) {
  return MEANINGS[code] ?? (/^[34]/.test(code) ? "of the application" : "");
}
