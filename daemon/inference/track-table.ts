/** Which track has which row of LSTM states: a fixed number of rows, given back when a track ends or falls idle. */
import { HorizonSchedule } from "../../pipelines/horizon/schedule.ts";

export interface TrackTableOptions {
  readonly capacity: number;
  readonly hop: number;
  /** A track without crops for this long is forgotten. */
  readonly idleMs: number;
  /** A track that was used more recently than this is never forgotten to make room for another. */
  readonly evictableAfterMs: number;
}

export interface TrackStates {
  readonly row: number;
  readonly schedule: HorizonSchedule;
  lastUsedMs: number;
}

export class TrackTable {
  readonly #options: TrackTableOptions;
  /** Least recently used first. */
  readonly #tracks = new Map<string, TrackStates>();
  readonly #freeRows: number[];

  constructor(options: TrackTableOptions) {
    this.#options = options;
    this.#freeRows = Array.from({ length: options.capacity }, (_, index) => options.capacity - 1 - index);
  }

  get size(): number {
    return this.#tracks.size;
  }

  /**
   * The states of a track, new ones if need be. Null when every row belongs to a track in use: better one face unscored than all of them cut short.
   * Asking for states that exist is no use of them: only `use` is, so that a track whose crops are all refused falls idle.
   */
  acquire(track: string, nowMs: number): TrackStates | null {
    const known = this.#tracks.get(track);
    if (known !== undefined) return known;
    const row = this.#freeRows.pop() ?? this.#evict(nowMs);
    if (row === null) return null;
    const states = { row, schedule: new HorizonSchedule(this.#options.hop), lastUsedMs: nowMs };
    this.#tracks.set(track, states);
    return states;
  }

  /** Notes that a crop of the track was taken. */
  use(track: string, nowMs: number): void {
    const states = this.#tracks.get(track);
    if (states === undefined) return;
    states.lastUsedMs = nowMs;
    this.#tracks.delete(track);
    this.#tracks.set(track, states);
  }

  release(track: string): void {
    const states = this.#tracks.get(track);
    if (states === undefined) return;
    this.#tracks.delete(track);
    this.#freeRows.push(states.row);
  }

  /** Forgets idle tracks. @returns how many. */
  expire(nowMs: number): number {
    let count = 0;
    for (const [track, states] of this.#tracks) {
      if (nowMs - states.lastUsedMs < this.#options.idleMs) break;
      this.release(track);
      count += 1;
    }
    return count;
  }

  #evict(nowMs: number): number | null {
    const [oldest] = this.#tracks;
    if (oldest === undefined || nowMs - oldest[1].lastUsedMs < this.#options.evictableAfterMs) return null;
    this.#tracks.delete(oldest[0]);
    return oldest[1].row;
  }
}
