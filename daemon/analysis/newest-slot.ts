/** The one place a decoded frame may wait: a slot that holds the newest, so that latency is bounded whatever the load. */

export class NewestSlot<T> {
  readonly #take: (item: T) => Promise<void>;
  readonly #onDiscarded: () => void;
  readonly #onError: (error: unknown) => void;
  #waiting: { readonly item: T } | undefined;
  #busy: Promise<void> | undefined;

  /** `take` handles one item at a time; an item that waits when a newer one comes is discarded. */
  constructor(options: { take: (item: T) => Promise<void>; onDiscarded: () => void; onError: (error: unknown) => void }) {
    this.#take = options.take;
    this.#onDiscarded = options.onDiscarded;
    this.#onError = options.onError;
  }

  put(item: T): void {
    if (this.#waiting) this.#onDiscarded();
    this.#waiting = { item };
    this.#busy ??= this.#drain();
  }

  /** Resolves when the item in hand, if any, is done; what waits is dropped. */
  async clear(): Promise<void> {
    this.#waiting = undefined;
    await this.#busy;
  }

  async #drain(): Promise<void> {
    while (this.#waiting) {
      const { item } = this.#waiting;
      this.#waiting = undefined;
      try {
        await this.#take(item);
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#busy = undefined;
  }
}
