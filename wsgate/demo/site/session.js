// One session: a WebSocket, what is in flight on it, and its figures.
//
// Both services answer in order with what they were sent, so an answer belongs to the oldest message in flight.
// A relay keeps messages whole. A tunnel does not: TCP is a stream, and a line may come back in any number of frames.

import { firstDifference, utf8 } from "./bytes.js";
import { RoundTrips } from "./roundtrips.js";

const MAX_IN_FLIGHT = 16 << 20; // bytes

export class Session {
  sent = { messages: 0, bytes: 0 };
  received = { messages: 0, bytes: 0 };
  roundTrips = new RoundTrips();
  #inFlight = [];
  #inFlightBytes = 0;
  #stream;
  #observer;
  #socket;
  #openedAt = null;
  #endedAt = null;
  #closing = null;

  // observer: opened(), changed(), surprised(kind, bytes), ended({code, reason, clean, opened, closing})
  constructor({ url, subprotocol, stream }, observer) {
    this.#stream = stream;
    this.#observer = observer;
    this.#socket = new WebSocket(url, [subprotocol]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#openedAt = performance.now();
      observer.opened();
    };
    this.#socket.onmessage = ({ data }) => this.#receive(data, performance.now());
    this.#socket.onclose = (event) => this.#end(event);
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  get subprotocol() {
    return this.#socket.protocol;
  }

  get seconds() {
    if (this.#openedAt === null) return 0;
    return ((this.#endedAt ?? performance.now()) - this.#openedAt) / 1000;
  }

  hasRoomFor(size) {
    return this.#inFlightBytes + size <= MAX_IN_FLIGHT;
  }

  // Sends a string as text, a Uint8Array as binary. Resolves to the answer, or to null when the session ends first.
  send(payload) {
    const kind = typeof payload === "string" ? "text" : "binary";
    const bytes = kind === "text" ? utf8.encode(payload) : payload;
    this.sent.messages += 1;
    this.sent.bytes += bytes.length;
    this.#inFlightBytes += bytes.length;
    const answer = new Promise((resolve) => {
      const startedAt = performance.now();
      this.#inFlight.push({ kind, bytes, answered: 0, frames: 0, sameKind: true, differsAt: -1, startedAt, resolve });
    });
    this.#socket.send(payload);
    this.#observer.changed();
    return answer;
  }

  close(code, reason) {
    this.#closing = { code, reason };
    if (code === undefined) this.#socket.close();
    else this.#socket.close(code, reason);
  }

  #receive(data, now) {
    const kind = typeof data === "string" ? "text" : "binary";
    let bytes = kind === "text" ? utf8.encode(data) : new Uint8Array(data);
    this.received.messages += 1;
    this.received.bytes += bytes.length;
    do {
      const oldest = this.#inFlight[0];
      if (oldest === undefined) {
        this.#observer.surprised(kind, bytes);
        break;
      }
      const left = oldest.bytes.length - oldest.answered;
      const part = this.#stream ? bytes.subarray(0, left) : bytes;
      bytes = bytes.subarray(part.length);
      this.#match(oldest, kind, part, now);
    } while (bytes.length > 0);
    this.#observer.changed();
  }

  #match(oldest, kind, part, now) {
    const end = this.#stream ? oldest.answered + part.length : oldest.bytes.length;
    const difference = firstDifference(part, oldest.bytes.subarray(oldest.answered, end));
    if (oldest.differsAt === -1 && difference !== -1) oldest.differsAt = oldest.answered + difference;
    oldest.answered += part.length;
    oldest.frames += 1;
    if (kind !== oldest.kind) oldest.sameKind = false;
    if (this.#stream && oldest.answered < oldest.bytes.length) return;

    const milliseconds = now - oldest.startedAt;
    this.#inFlight.shift();
    this.#inFlightBytes -= oldest.bytes.length;
    this.roundTrips.add(milliseconds);
    oldest.resolve({
      kind,
      bytes: this.#stream ? oldest.bytes : part,
      frames: oldest.frames,
      differsAt: oldest.differsAt,
      equal: oldest.differsAt === -1 && oldest.sameKind,
      milliseconds,
    });
  }

  #end({ code, reason, wasClean }) {
    this.#endedAt = performance.now();
    for (const { resolve } of this.#inFlight) resolve(null);
    this.#inFlight = [];
    this.#inFlightBytes = 0;
    this.#observer.ended({ code, reason, clean: wasClean, opened: this.#openedAt !== null, closing: this.#closing });
  }
}
