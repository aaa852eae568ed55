/** A page of the outbox ahead of a receiver's cursor: which of its events may be sent, and how far the cursor may go. Pure. */
import type { AlertEvent } from "../protocol.ts";

interface Entry {
  readonly event: AlertEvent;
  state: "waiting" | "sending" | "settled";
}

export class OutboxWindow {
  readonly #entries: Entry[] = [];
  #cursor: number;
  #lastRead: number;

  constructor(cursor: number) {
    this.#cursor = cursor;
    this.#lastRead = cursor;
  }

  /** Every event up to it is settled. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The outbox is read from here on. */
  get lastRead(): number {
    return this.#lastRead;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** @param wanted events that the receiver is not meant to get are settled at once */
  add(events: readonly AlertEvent[], wanted: (event: AlertEvent) => boolean): void {
    for (const event of events) {
      this.#entries.push({ event, state: wanted(event) ? "waiting" : "settled" });
      this.#lastRead = event.seq;
    }
    this.#advance();
  }

  /** Waiting events in their order, only the first of each alert, and none of an alert that has one under way. */
  sendable(): AlertEvent[] {
    const taken = new Set<string>();
    const found: AlertEvent[] = [];
    for (const { event, state } of this.#entries) {
      if (state === "waiting" && !taken.has(event.alert.id)) found.push(event);
      if (state !== "settled") taken.add(event.alert.id);
    }
    return found;
  }

  /** Waiting events in their order, those included that wait for another one; for receivers that take several in one message. */
  waiting(): AlertEvent[] {
    return this.#entries.filter(({ state }) => state === "waiting").map(({ event }) => event);
  }

  begin(seq: number): void {
    this.#set(seq, "sending");
  }

  /** It is to be sent after all. */
  giveBack(seq: number): void {
    this.#set(seq, "waiting");
  }

  settle(seq: number): void {
    this.#set(seq, "settled");
    this.#advance();
  }

  #set(seq: number, state: Entry["state"]): void {
    const entry = this.#entries.find(({ event }) => event.seq === seq);
    if (entry) entry.state = state;
  }

  #advance(): void {
    const unsettled = this.#entries.findIndex(({ state }) => state !== "settled");
    const done = this.#entries.splice(0, unsettled === -1 ? this.#entries.length : unsettled);
    this.#cursor = done.at(-1)?.event.seq ?? this.#cursor;
  }
}
