// A line chart with a scale: time goes to the right, and is as long as there are points, from five minutes to an hour.

const HEIGHT = 136, LEFT = 56, BOTTOM = 18, TOP = 8; // pixels
const SHORTEST = 300, HOUR = 3600; // seconds
const GAP = 15; // seconds between two points that no line joins
const SVG = "http://www.w3.org/2000/svg";

// One chart in a figure. lines: [{ name, at, label }], where `at` is the index of the value in a point
// base: 1000, or 1024 for bytes
export class Chart {
  #figure;
  #lines;
  #show;
  #base;
  #points = [];
  #looked = null; // the point under the pointer
  #when; // says when that was
  #now; // says the values then, or the newest

  constructor(figure, lines, show, base = 1000) {
    this.#figure = figure;
    this.#lines = lines;
    this.#show = show;
    this.#base = base;
    this.#when = piece("span", "", "soft");
    this.#now = piece("span", "", "now");
    figure.querySelector("figcaption").append(this.#when, this.#now);
    new ResizeObserver(() => this.#draw()).observe(figure);
    figure.addEventListener("pointermove", (event) => this.#look(event));
    figure.addEventListener("pointerleave", () => this.#look(null));
  }

  // points: [[seconds, value, ...], ...], the oldest first
  update(points) {
    this.#points = points;
    this.#draw();
  }

  #look(event) {
    const before = this.#looked;
    this.#looked = null;
    const svg = this.#figure.querySelector("svg");
    if (event && svg && this.#points.length) {
      const part = (event.clientX - svg.getBoundingClientRect().left - LEFT) / (svg.clientWidth - LEFT);
      const seconds = this.#end - (1 - part) * this.#span;
      const off = (point) => Math.abs(point[0] - seconds);
      if (part >= 0) this.#looked = this.#points.reduce((one, other) => (off(other) < off(one) ? other : one));
    }
    if (this.#looked !== before) this.#draw();
  }

  get #end() {
    return this.#points.at(-1)?.[0] ?? 0;
  }

  get #span() {
    const age = this.#points.length ? this.#end - this.#points[0][0] : 0;
    return Math.min(HOUR, Math.max(SHORTEST, age));
  }

  #draw() {
    const style = getComputedStyle(this.#figure);
    const width = this.#figure.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (width <= LEFT) return; // it is not shown
    const points = this.#points, lines = this.#lines, show = this.#show, end = this.#end, span = this.#span;
    const shown = this.#looked ?? points.at(-1);
    const parts = lines.flatMap(({ name, at, label }) => [piece("span", `${label} `, name), piece("b", shown ? show(shown[at]) : "–"), " "]);
    this.#now.replaceChildren(...parts);
    this.#when.textContent = this.#looked ? ago(end - shown[0]) : "";

    const top = nice(Math.max(...points.flatMap((point) => lines.map(({ at }) => point[at])), 1), this.#base);
    const x = (seconds) => LEFT + (width - LEFT - 1) * (1 - (end - seconds) / span);
    const y = (value) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / top);
    const svg = drawn("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
    const last = points.at(-1);
    svg.setAttribute("aria-label", lines.map(({ label, at }) => `${label}: ${last ? show(last[at]) : "unknown"}`).join(", "));
    for (const value of [0, top / 2, top]) {
      svg.append(drawn("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
      svg.append(words(LEFT - 8, y(value) + 4, show(value), "end"));
    }
    for (const part of [1, 0.5, 0]) {
      const anchor = part ? (part === 1 ? "start" : "middle") : "end";
      svg.append(words(x(end - part * span), HEIGHT - 3, part ? ago(part * span) : "now", anchor));
    }
    for (const { name, at } of lines) {
      let before = -Infinity;
      const path = points.map((point) => {
        const joined = point[0] - before <= GAP;
        before = point[0];
        const place = `${x(point[0]).toFixed(1)} ${y(point[at]).toFixed(1)}`;
        return joined ? `L${place}` : `M${place}h0`; // a lone point is a dot
      });
      svg.append(drawn("path", { class: name, d: path.join("") }));
      if (this.#looked) svg.append(drawn("circle", { class: name, cx: x(shown[0]), cy: y(shown[at]), r: 3 }));
    }
    this.#figure.querySelector("svg")?.remove();
    this.#figure.append(svg);
  }
}

const ago = (seconds) => (seconds < 60 ? `−${Math.round(seconds)} s` : `−${Number((seconds / 60).toFixed(1))} min`);

// The next of 1, 2, 5, 10, 20, ... that is not below a value, counted in units of a power of the base
function nice(value, base) {
  const unit = base ** Math.floor(Math.log(value) / Math.log(base));
  const ten = 10 ** Math.floor(Math.log10(value / unit));
  return [1, 2, 5, 10].find((step) => step * ten * unit >= value) * ten * unit;
}

function words(x, y, text, anchor) {
  const label = drawn("text", { x, y, "text-anchor": anchor });
  label.textContent = text;
  return label;
}

function drawn(name, attributes) {
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
