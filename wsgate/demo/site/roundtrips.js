// The latest round trips, their figures and their curve.

const KEPT = 1000;
const DRAWN = 100;

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

  // Draws into a viewBox of 100 by 100; zero is at the bottom, so that heights can be compared.
  draw(svg) {
    const drawn = this.#latest.slice(-DRAWN);
    const top = Math.max(...drawn, Number.EPSILON);
    const points = drawn.map((value, index) => {
      const x = drawn.length === 1 ? 100 : (index * 100) / (drawn.length - 1);
      return `${x.toFixed(2)} ${(96 - (value / top) * 90).toFixed(2)}`;
    });
    if (points.length === 1) points.unshift(points[0].replace(/^\S+/, "0"));
    const line = points.length ? `M${points.join("L")}` : "";
    svg.querySelector(".line").setAttribute("d", line);
    svg.querySelector(".area").setAttribute("d", line && `${line}L100 100L0 100Z`);
  }
}
