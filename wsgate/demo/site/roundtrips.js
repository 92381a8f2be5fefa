// The latest round trips, their figures and their curve.

const KEPT = 1000;
const DRAWN = 100;
const SMALLEST = 0.1; // milliseconds at the top of the curve: the clock of a browser knows no less

export class RoundTrips {
  #latest = [];

  add(milliseconds) {
    this.#latest.push(milliseconds);
    if (this.#latest.length > KEPT) this.#latest.shift();
  }

  // null before the first round trip
  figures() {
    if (this.#latest.length === 0) return null;
    const sorted = [...this.#latest].sort((one, other) => one - other);
    return {
      last: this.#latest.at(-1),
      median: (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2,
      min: sorted[0],
      max: sorted.at(-1),
      count: sorted.length,
    };
  }

  // Draws the latest hundred into a viewBox of 100 by 100, zero at the bottom. Returns the milliseconds at its top, or
  // null when nothing is drawn.
  draw(svg) {
    const drawn = this.#latest.slice(-DRAWN);
    const top = round(Math.max(...drawn, SMALLEST));
    const points = drawn.map((value, index) => {
      const x = drawn.length === 1 ? 100 : (index * 100) / (drawn.length - 1);
      return `${x.toFixed(2)} ${(100 - (value / top) * 100).toFixed(2)}`;
    });
    if (points.length === 1) points.unshift(points[0].replace(/^\S+/, "0"));
    const line = points.length ? `M${points.join("L")}` : "";
    svg.querySelector(".line").setAttribute("d", line);
    svg.querySelector(".area").setAttribute("d", line && `${line}L100 100L0 100Z`);
    return line ? top : null;
  }
}

// The next of …, 0.1, 0.2, 0.5, 1, 2, 5, … that is not below a value
function round(value) {
  const power = Math.floor(Math.log10(value));
  const digit = [1, 2, 5, 10].find((step) => step * 10 ** power >= value);
  return Number(`${digit ?? 10}e${power}`);
}
