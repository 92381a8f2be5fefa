// The table of endings, which keeps the last 50, and the newest, which is always in sight.

import { CODES, closedBy, explain, visible } from "./codes.js";
import { clock, element } from "./log.js";

const KEPT = 50;

export class Endings {
  #body;
  #newest;

  constructor(table, newest) {
    this.#body = table.tBodies[0];
    this.#newest = newest;
  }

  add(service, ending) {
    const by = closedBy(ending, service.stream);
    const { code, reason, clean, closing, opened } = ending;
    const row = element("tr", "", undefined, { session: service.name, code, reason, clean, by });
    row.setAttribute("role", "row");
    const cell = (label, content, className = "") => {
      const made = element("td", className, typeof content === "string" ? content : undefined, { label });
      made.setAttribute("role", "cell");
      if (typeof content !== "string") made.append(content);
      row.append(made);
    };
    let meaning = opened ? explain(code) : "The connection was refused or could not be made: no session came to be.";
    if (closing?.code !== undefined && closing.code !== code) meaning += ` You sent ${closing.code}.`;
    cell("Time", clock().slice(0, 8), "when");
    cell("Session", element("span", `badge ${service.name}`, service.title));
    cell("Code", String(code), "number");
    cell("Reason", visible(reason) || "–", "reason");
    cell("Clean", clean ? "yes" : "no", "clean");
    cell("Closed by", by, "by");
    cell("What it means", meaning, "meaning");

    this.#body.querySelector(".empty")?.remove();
    this.#body.prepend(row);
    while (this.#body.childElementCount > KEPT) this.#body.lastElementChild.remove();
    this.#showNewest(service, ending, by);
  }

  #showNewest(service, { code, reason, opened }, by) {
    const what = element("span", "what");
    what.append(
      element("span", `badge ${service.name}`, service.title),
      element("b", "", opened ? `ended with ${code}` : "could not connect"),
    );
    if (by !== "nobody") what.append(element("span", "by", `by ${by === "you" ? by : `the ${by}`}`));
    if (reason) what.append(element("span", "reason", visible(reason)));
    const link = element("a", "", "All endings");
    link.href = "#endings-title";
    this.#newest.replaceChildren(what, link);
    this.#newest.hidden = false;
  }
}

export function listCodes(list) {
  for (const [code, meaning] of Object.entries(CODES)) {
    const entry = element("div");
    entry.append(element("dt", "", code), element("dd", "", meaning));
    list.append(entry);
  }
}
