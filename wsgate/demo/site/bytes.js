// Bytes: random ones, equal ones, and how they are shown.

const NEWLINE = 0x0a;
const RANDOM_CHUNK = 65536; // getRandomValues gives no more at once

export const utf8 = new TextEncoder();

export function randomBytes(size) {
  const bytes = new Uint8Array(size);
  for (let start = 0; start < size; start += RANDOM_CHUNK) {
    crypto.getRandomValues(bytes.subarray(start, start + RANDOM_CHUNK));
  }
  return bytes;
}

// A line of `size` bytes: random, with the one newline at its end.
export function randomLine(size) {
  const bytes = randomBytes(size);
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at)) bytes[at] = 0;
  bytes[size - 1] = NEWLINE;
  return bytes;
}

// The index of the first byte that differs, or -1.
export function firstDifference(one, other) {
  const shorter = Math.min(one.length, other.length);
  for (let at = 0; at < shorter; at++) {
    if (one[at] !== other[at]) return at;
  }
  return one.length === other.length ? -1 : shorter;
}

export function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const [amount, unit] = bytes < 1 << 20 ? [bytes / 1024, "KiB"] : [bytes / (1 << 20), "MiB"];
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${unit}`;
}

// The first bytes, as text where they are text, else in hex.
export function preview(bytes, limit = 160) {
  const head = bytes.subarray(0, limit);
  const more = bytes.length > limit ? "…" : "";
  try {
    // stream: a character that the limit cuts in two is not an error
    const text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: more !== "" });
    if (!/[\u0000-\u0009\u000b-\u001f\u007f]/.test(text)) return text.replaceAll("\n", "⏎") + more;
  } catch {
    // not UTF-8: hex it is
  }
  const hex = Array.from(bytes.subarray(0, 24), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return hex + (bytes.length > 24 ? " …" : "");
}
