// Tables that are brought up to date in place: rows keep their elements, so the focus and a selection stay where they are.
// Every text is set as text, so no name becomes a part of the page.

import { visible } from "/page/show.js";

export const $ = (id) => document.getElementById(id);

export function element(tag, kind = "", text = undefined) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = visible(text);
  return made;
}

// Shows rows: [{ key, cells: [{ text, small, kind, label, button, press }] }], and a sentence when there are none.
// label: the column's name, which stands before the value on a phone; press: called with the row's key
export function fill(table, rows, sentence) {
  const body = table.tBodies[0];
  const focused = document.activeElement;
  const place = [...body.rows].findIndex((row) => row.contains(focused));
  const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  if (!rows.length) {
    if (old.has("")) {
      set(old.get("").cells[0], { text: sentence });
      return;
    }
    const row = makeRow("");
    row.className = "empty";
    row.append(makeCell({ text: sentence }));
    row.cells[0].colSpan = table.tHead.rows[0].cells.length;
    body.replaceChildren(row);
    return;
  }
  rows.forEach(({ key, cells }, at) => {
    const row = old.get(key) ?? makeRow(key);
    old.delete(key);
    while (row.cells.length > cells.length) row.lastElementChild.remove();
    cells.forEach((cell, column) => {
      if (column < row.cells.length) set(row.cells[column], cell);
      else row.append(makeCell(cell));
    });
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
  });
  for (const row of old.values()) row.remove();
  if (place === -1 || focused === document.activeElement) return;
  // a row that was moved lost the focus; one that is gone leaves it to the row in its place
  const next = focused.isConnected ? focused : body.rows[Math.min(place, body.rows.length - 1)].querySelector("button");
  next?.focus({ preventScroll: true });
}

function makeRow(key) {
  const row = document.createElement("tr");
  row.dataset.key = key;
  row.setAttribute("role", "row");
  return row;
}

function makeCell(cell) {
  const made = document.createElement("td");
  made.setAttribute("role", "cell");
  if (cell.label) made.dataset.label = cell.label;
  set(made, cell);
  return made;
}

function set(td, { text = "", small = "", kind = "", button = "", title = "", press }) {
  const name = button ? "button" : "span";
  let main = td.firstElementChild;
  if (main?.localName !== name) {
    main = document.createElement(name);
    td.replaceChildren(main);
    if (button) {
      main.type = "button";
      main.className = button;
      main.addEventListener("click", () => press(td.parentElement.dataset.key));
    }
  }
  if (td.className !== kind) td.className = kind;
  put(main, text);
  if (title && main.getAttribute("aria-label") !== visible(title)) main.setAttribute("aria-label", visible(title));
  let more = td.querySelector("small");
  if (small && !more) more = td.appendChild(document.createElement("small"));
  if (more) put(more, small);
}

function put(made, text) {
  const shown = visible(text);
  if (made.textContent !== shown) made.textContent = shown;
}
