// A panel: the controls, figures and log of one service's session.

import { formatSize, preview, utf8 } from "./bytes.js";
import { visible, whyNotSent } from "./codes.js";
import { element, Log } from "./log.js";
import { Session } from "./session.js";

const ROUNDS = 100;
const MAX_REASON = 123; // bytes, RFC 6455 §5.5
const TICK = 250; // milliseconds between two looks at the clock of an open session
const FLOW = 600; // milliseconds that the diagram shows movement after a message

// A browser's clock is coarse (0.1 ms in Chromium): more digits would be noise.
const inMilliseconds = (value) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const traffic = ({ messages, bytes }) => `${plural(messages, "message")}, ${formatSize(bytes)}`;

export class Panel {
  #service;
  #endings;
  #changed;
  #log;
  #lanes;
  #session = null;
  #painting = false;
  #ticking = null;
  #calming = null;
  #playing = false;

  // changed: called when the state of the panel has changed
  constructor(service, endings, changed) {
    this.#service = service;
    this.#endings = endings;
    this.#changed = changed;
    this.#lanes = document.querySelectorAll(`[data-lane="${service.name}"]`);
    this.root = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.#log = new Log(this.#find("[data-log]"));
    this.#furnish();
    this.#listen();
    this.#setState("idle", "not connected");
  }

  #find(selector) {
    return this.root.querySelector(selector);
  }

  #field(name) {
    return this.#find(`[data-field="${name}"]`);
  }

  #furnish() {
    const { name, title, about, url, greeting, senders, ends } = this.#service;
    this.root.id = name;
    this.root.classList.add(name);
    this.root.dataset.panel = name;
    const heading = this.#find("h2");
    heading.id = `${name}-title`;
    heading.textContent = title;
    this.#find(".url").textContent = url;
    this.root.setAttribute("aria-labelledby", heading.id);
    this.#find(".lead").textContent = about;
    this.#find(".log").setAttribute("aria-label", `${title}: events`);
    this.#field("message").value = greeting;
    for (const [index, { action, label }] of senders.entries()) {
      const button = element("button", index === 0 ? "primary" : "", label, { action });
      button.type = index === 0 ? "submit" : "button"; // Enter sends in the service's own kind
      this.#find('[data-slot="send"]').append(button);
    }
    for (const { action, label, hint } of ends) {
      const button = element("button", "chip", label, { action });
      const said = element("span", "", hint);
      const item = element("li");
      button.type = "button";
      said.id = `${name}-${action}`;
      button.setAttribute("aria-describedby", said.id);
      item.append(button, said);
      this.#find('[data-slot="ends"]').append(item);
    }
  }

  #listen() {
    const onClick = (action, handler) => this.#find(`[data-action="${action}"]`).addEventListener("click", handler);
    const { senders, ends } = this.#service;
    for (const form of this.root.querySelectorAll("form")) {
      form.addEventListener("submit", (event) => event.preventDefault()); // each has one submit button; its click acts
    }
    onClick("connect", () => this.connect());
    for (const { action, encode } of senders) onClick(action, () => this.#say(encode(this.#field("message").value)));
    for (const { action, label, encode } of ends) onClick(action, () => this.#say(encode(label)));
    onClick("send-random", () => this.#say(this.#service.random(Number(this.#field("size").value))));
    onClick("ping-pong", () => this.#playPingPong());
    onClick("close", () => this.#close());
    for (const name of ["code", "reason"]) {
      this.#field(name).addEventListener("input", (event) => event.target.setCustomValidity(""));
    }
  }

  get mayConnect() {
    return ["idle", "closed"].includes(this.root.dataset.state);
  }

  connect() {
    const { url } = this.#service;
    this.#log.event(`connecting to ${url}`);
    this.#setState("connecting", "connecting …");
    const session = new Session(this.#service, {
      opened: () => this.#opened(),
      changed: () => this.#moved(),
      surprised: (kind, bytes) =>
        this.#log.message("received", kind, bytes.length, preview(bytes), "unasked", { verified: "false" }),
      ended: (ending) => this.#ended(ending),
    });
    this.#session = session;
    this.#paint();
  }

  #opened() {
    const { subprotocol } = this.#session;
    this.#log.event(`open, subprotocol ${subprotocol || "none"}`);
    this.#setState("open", "open");
    this.#ticking = setInterval(() => this.#paint(), TICK);
    this.#schedulePaint();
    // the button that was pressed is disabled now: the keyboard goes on at the message
    if (document.activeElement === document.body) this.#field("message").focus({ preventScroll: true });
  }

  async #say(payload) {
    const session = this.#session;
    const bytes = typeof payload === "string" ? utf8.encode(payload) : payload;
    if (!this.#mayStillSend(bytes.length)) return;
    const kind = typeof payload === "string" ? "text" : "binary";
    this.#log.message("sent", kind, bytes.length, preview(bytes));
    const answer = await session.send(payload);
    if (answer === null) return;
    const shown = answer.frames > 1 ? `in ${answer.frames} frames: ${preview(answer.bytes)}` : preview(answer.bytes);
    const verdict = answer.equal ? `✓ ${inMilliseconds(answer.milliseconds)} ms` : `✗ ${this.#difference(answer)}`;
    this.#log.message("received", answer.kind, answer.bytes.length, shown, verdict, { verified: answer.equal });
  }

  #difference({ kind, differsAt }) {
    return differsAt === -1 ? `came back as ${kind}` : `differs at byte ${differsAt}`;
  }

  #mayStillSend(size) {
    if (!this.#session?.isOpen) return false;
    if (this.#session.hasRoomFor(size)) return true;
    this.#log.event("not sent: 16 MiB are on their way already");
    return false;
  }

  async #playPingPong() {
    const session = this.#session;
    const size = Number(this.#field("size").value);
    const payload = this.#service.random(size);
    let done = 0;
    let unequal = 0;
    this.#playing = true;
    this.#enable();
    const start = performance.now();
    while (done < ROUNDS && this.#mayStillSend(size)) {
      const answer = await session.send(payload);
      if (answer === null) break;
      done += 1;
      if (!answer.equal) unequal += 1;
    }
    const total = performance.now() - start;
    this.#playing = false;
    this.#enable();
    this.#schedulePaint();
    const each = done ? `, ${(total / done).toFixed(2)} ms each` : "";
    const verdict = unequal ? `${unequal} not equal` : "all equal";
    this.#log.event(`${done} round trips of ${formatSize(size)} in ${inMilliseconds(total)} ms${each}; ${verdict}`, {
      rounds: done,
      verified: unequal === 0,
    });
  }

  #close() {
    const code = this.#field("code").value.trim();
    const reason = this.#field("reason").value;
    const number = code === "" ? undefined : Number(code);
    this.#field("code").setCustomValidity(whyNotSent(number));
    this.#field("reason").setCustomValidity(
      utf8.encode(reason).length > MAX_REASON
        ? `A reason has at most ${MAX_REASON} bytes.`
        : reason && number === undefined
          ? "A reason needs a code before it."
          : "",
    );
    if (!this.#find('[data-form="close"]').reportValidity()) return;
    this.#log.event(`you close with ${[code || "no code", reason].join(" ").trim()}`);
    this.#setState("closing", "closing …");
    this.#session.close(number, reason);
  }

  #ended(ending) {
    const { code, reason, clean, opened } = ending;
    clearInterval(this.#ticking);
    const said = [code, visible(reason)].join(" ").trim();
    this.#log.event(opened ? `closed, ${said}${clean ? "" : ", not clean"}` : "could not connect", { code });
    this.#setState("closed", opened ? `closed, ${code}` : "could not connect");
    this.#endings.add(this.#service, ending);
    this.#schedulePaint();
  }

  #setState(state, status) {
    this.root.dataset.state = state;
    this.#find("[data-status]").textContent = status;
    for (const lane of this.#lanes) lane.dataset.state = state;
    this.#enable();
    this.#changed();
  }

  #enable() {
    const { state } = this.root.dataset;
    const hadFocus = this.root.contains(document.activeElement) && document.activeElement.matches("button");
    for (const button of this.root.querySelectorAll("[data-action]")) {
      const isConnect = button.dataset.action === "connect";
      const isBusy = this.#playing && button.dataset.action === "ping-pong";
      button.disabled = isConnect ? !this.mayConnect : state !== "open" || isBusy;
    }
    // a disabled button loses the focus, and the keyboard its place
    if (hadFocus && state === "closed") this.#find('[data-action="connect"]').focus();
  }

  #moved() {
    for (const lane of this.#lanes) lane.classList.add("moving");
    clearTimeout(this.#calming);
    this.#calming = setTimeout(() => {
      for (const lane of this.#lanes) lane.classList.remove("moving");
    }, FLOW);
    this.#schedulePaint();
  }

  // At most once per frame, however many messages pass; and left to the tick while round trips are measured, because
  // painting between a message and its answer would be measured with them.
  #schedulePaint() {
    if (this.#painting || this.#playing) return;
    this.#painting = true;
    requestAnimationFrame(() => {
      this.#painting = false;
      this.#paint();
    });
  }

  #paint() {
    const session = this.#session;
    const show = (name, value) => (this.#find(`[data-figure="${name}"]`).textContent = value);
    const figures = session.roundTrips.figures();
    for (const name of ["last", "median", "min", "max"]) show(name, figures ? inMilliseconds(figures[name]) : "–");
    show("trips", figures ? plural(figures.count, "round trip") : "round trips");
    show("sent", traffic(session.sent));
    show("received", traffic(session.received));
    show("subprotocol", session.subprotocol || "–");
    show("duration", `${session.seconds.toFixed(0)} s`);
    const scale = session.roundTrips.draw(this.#find("[data-spark]"));
    show("scale", scale ? `${scale} ms` : "");
    show("zero", scale ? "0" : "");
  }
}
