// The table of endings; it keeps the last 50.

import { CODES, closedBy, explain } from "./codes.js";
import { clock, element } from "./log.js";

const KEPT = 50;

export class Endings {
  #body;

  constructor(table) {
    this.#body = table.tBodies[0];
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
    cell("Reason", reason || "–", "reason");
    cell("Clean", clean ? "yes" : "no", "clean");
    cell("Closed by", by, "by");
    cell("What it means", meaning, "meaning");

    this.#body.querySelector(".empty")?.remove();
    this.#body.prepend(row);
    while (this.#body.childElementCount > KEPT) this.#body.lastElementChild.remove();
  }
}

export function listCodes(list) {
  for (const [code, meaning] of Object.entries(CODES)) {
    const entry = element("div");
    entry.append(element("dt", "", code), element("dd", "", meaning));
    list.append(entry);
  }
}
