/** Delay before the next start of something that ended: pure, so that it is tested without clocks. */

export interface BackOffOptions {
  /** Delay before the second try in a row; the first is at once. Milliseconds. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** A run that lasted this long counts as healthy: the next start is at once again. Milliseconds. */
  readonly healthyAfterMs: number;
}

export class BackOff {
  readonly #options: BackOffOptions;
  #failuresInARow = 0;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** @returns milliseconds to wait before the next start, after a run of `ranForMs`. */
  next(ranForMs: number): number {
    if (ranForMs >= this.#options.healthyAfterMs) this.#failuresInARow = 0;
    const failures = this.#failuresInARow++;
    return failures === 0 ? 0 : Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** (failures - 1));
  }
}
