// The list of a session's events; it keeps the last 200.

import { formatSize } from "./bytes.js";

const KEPT = 200;
const ARROWS = { sent: "↑", received: "↓", event: "·" };

export function element(tag, className, text, data = {}) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  Object.assign(made.dataset, data);
  return made;
}

export function clock(date = new Date()) {
  const two = (number) => String(number).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export class Log {
  #list;
  #box;

  constructor(list) {
    this.#list = list;
    this.#box = list.parentElement;
  }

  message(direction, kind, size, text, verdict = "", data = {}) {
    this.#append(direction, { kind, size, ...data }, [
      element("span", "kind", kind),
      element("span", "size", formatSize(size)),
      element("span", "text", text),
      element("span", "verdict", verdict),
    ]);
  }

  event(text, data = {}) {
    this.#append("event", data, [element("span", "text wide", text)]);
  }

  #append(direction, data, cells) {
    const follows = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < 8;
    const item = element("li", direction, undefined, { direction, ...data });
    const arrow = element("span", "arrow", ARROWS[direction]);
    arrow.setAttribute("aria-hidden", "true");
    item.append(element("time", "", clock()), arrow, element("span", "unseen", direction), ...cells);
    this.#list.append(item);
    while (this.#list.childElementCount > KEPT) this.#list.firstElementChild.remove();
    if (follows) this.#box.scrollTop = this.#box.scrollHeight;
  }
}
