// A line chart with a scale: time goes to the right, and is as long as there are points, from five minutes to an hour.

const WIDTH = 400, HEIGHT = 130, LEFT = 52, BOTTOM = 18, TOP = 6;
const SHORTEST = 300, HOUR = 3600;
const SVG = "http://www.w3.org/2000/svg";

// points: [seconds, value, ...], oldest first; lines: [{ name, at, label }], where `at` is the value's index
// base: 1000, or 1024 for bytes
export function draw(figure, points, lines, show, base = 1000) {
  const caption = figure.querySelector("figcaption");
  let now = caption.querySelector(".now");
  if (!now) {
    now = caption.appendChild(document.createElement("span"));
    now.className = "now";
  }
  const last = points.at(-1);
  now.replaceChildren(...lines.flatMap(({ name, at, label }) => [
    piece("span", `${label} `, name), piece("b", last ? show(last[at]) : "–"), document.createTextNode(" "),
  ]));
  const top = nice(Math.max(...points.flatMap((point) => lines.map(({ at }) => point[at])), 1), base);
  const end = last ? last[0] : Date.now() / 1000;
  const span = Math.min(HOUR, Math.max(SHORTEST, last ? end - points[0][0] : 0));
  const x = (seconds) => LEFT + (WIDTH - LEFT) * (1 - (end - seconds) / span);
  const y = (value) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / top);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", lines.map(({ label, at }) => `${label}: ${last ? show(last[at]) : "unknown"} now`).join(", "));
  for (const value of [0, top / 2, top]) {
    svg.append(element("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    svg.append(words(LEFT - 6, y(value) + 4, show(value), "end"));
  }
  for (const part of [1, 0.5, 0]) {
    const anchor = part ? (part === 1 ? "start" : "middle") : "end";
    const minutes = (part * span) / 60;
    svg.append(words(x(end - part * span), HEIGHT - 3, part ? `−${Number(minutes.toFixed(1))} min` : "now", anchor));
  }
  for (const { name, at } of lines) {
    const path = points.map((point, number) => `${number ? "L" : "M"}${x(point[0]).toFixed(1)} ${y(point[at]).toFixed(1)}`);
    svg.append(element("path", { class: name, d: path.join("") }));
  }
  figure.querySelector("svg")?.remove();
  figure.append(svg);
}

// The next of 1, 2, 5, 10, 20, ... that is not below a value, counted in units of a power of the base
function nice(value, base) {
  const unit = base ** Math.floor(Math.log(value) / Math.log(base));
  const ten = 10 ** Math.floor(Math.log10(value / unit));
  return [1, 2, 5, 10].find((step) => step * ten * unit >= value) * ten * unit;
}

function words(x, y, text, anchor) {
  const label = element("text", { x, y, "text-anchor": anchor });
  label.textContent = text;
  return label;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function piece(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}
