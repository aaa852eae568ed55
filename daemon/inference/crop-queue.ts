/** Where crops wait for the model: bounded, newest first to stay, fair to all streams. */

export interface WaitingCrop<T> {
  readonly stream: string;
  readonly track: string;
  /** Monotonic clock. */
  readonly queuedAtMs: number;
  readonly item: T;
}

export interface CropQueueOptions {
  /** The newest crops of a track that may wait; an older one makes room. */
  readonly maxPerTrack: number;
  /** All crops that may wait; at the limit the stream with most of them loses its oldest. */
  readonly maxWaiting: number;
}

/**
 * Crops of a track leave in the order they came, one a batch, because each needs the state that the one before left.
 * Streams take turns, and so do the tracks of a stream: a stream with many faces cannot starve one with a single face.
 */
export class CropQueue<T> {
  readonly #options: CropQueueOptions;
  /** Stream to track to waiting crops. Insertion order is the order of turns; nothing empty is kept. */
  readonly #streams = new Map<string, Map<string, WaitingCrop<T>[]>>();
  #size = 0;

  constructor(options: CropQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** When the crop that has waited longest was queued, or null when none waits. */
  get oldestQueuedAtMs(): number | null {
    let oldest: number | null = null;
    for (const tracks of this.#streams.values()) for (const [first] of tracks.values()) if (first !== undefined && (oldest === null || first.queuedAtMs < oldest)) oldest = first.queuedAtMs;
    return oldest;
  }

  /** Queues a crop. @returns the crop that had to make room, or null. */
  push(crop: WaitingCrop<T>): WaitingCrop<T> | null {
    const discarded = this.#makeRoom(crop);
    let tracks = this.#streams.get(crop.stream);
    if (tracks === undefined) this.#streams.set(crop.stream, (tracks = new Map()));
    const waiting = tracks.get(crop.track);
    if (waiting === undefined) tracks.set(crop.track, [crop]);
    else waiting.push(crop);
    this.#size += 1;
    return discarded;
  }

  /** Takes up to `max` crops, of different tracks. */
  take(max: number): WaitingCrop<T>[] {
    const turns = [...this.#streams.values()].map((tracks) => [...tracks.values()]);
    const batch: WaitingCrop<T>[] = [];
    for (let round = 0; batch.length < max; round++) {
      const before = batch.length;
      for (const turn of turns) {
        const crop = batch.length < max ? turn[round]?.shift() : undefined;
        if (crop !== undefined) batch.push(crop);
      }
      if (batch.length === before) break;
    }
    this.#size -= batch.length;
    for (const crop of batch) this.#moveToEnd(crop);
    return batch;
  }

  /** Takes out every crop of a track. */
  drop(track: string): WaitingCrop<T>[] {
    const dropped: WaitingCrop<T>[] = [];
    for (const [stream, tracks] of this.#streams) {
      dropped.push(...(tracks.get(track) ?? []));
      tracks.delete(track);
      if (tracks.size === 0) this.#streams.delete(stream);
    }
    this.#size -= dropped.length;
    return dropped;
  }

  /** Takes out everything. */
  clear(): WaitingCrop<T>[] {
    const all = [...this.#streams.values()].flatMap((tracks) => [...tracks.values()].flat());
    this.#streams.clear();
    this.#size = 0;
    return all;
  }

  #makeRoom(crop: WaitingCrop<T>): WaitingCrop<T> | null {
    const own = this.#streams.get(crop.stream)?.get(crop.track);
    if (own !== undefined && own.length >= this.#options.maxPerTrack) return this.#shift(own);
    if (this.#size < this.#options.maxWaiting) return null;
    let fullest: Map<string, WaitingCrop<T>[]> | undefined;
    let most = 0;
    for (const tracks of this.#streams.values()) {
      let count = 0;
      for (const waiting of tracks.values()) count += waiting.length;
      if (count > most) [fullest, most] = [tracks, count];
    }
    let oldest: WaitingCrop<T>[] | undefined;
    for (const waiting of fullest?.values() ?? []) if (oldest === undefined || (waiting[0]?.queuedAtMs ?? 0) < (oldest[0]?.queuedAtMs ?? 0)) oldest = waiting;
    const victim = oldest === undefined ? null : this.#shift(oldest);
    if (victim !== null) this.#removeIfEmpty(victim);
    return victim;
  }

  #shift(waiting: WaitingCrop<T>[]): WaitingCrop<T> | null {
    const crop = waiting.shift();
    if (crop === undefined) return null;
    this.#size -= 1;
    return crop;
  }

  #removeIfEmpty({ stream, track }: WaitingCrop<T>): void {
    const tracks = this.#streams.get(stream);
    if (tracks?.get(track)?.length === 0) tracks.delete(track);
    if (tracks?.size === 0) this.#streams.delete(stream);
  }

  #moveToEnd(served: WaitingCrop<T>): void {
    const tracks = this.#streams.get(served.stream);
    const waiting = tracks?.get(served.track);
    if (tracks === undefined || waiting === undefined) return;
    tracks.delete(served.track);
    if (waiting.length > 0) tracks.set(served.track, waiting);
    this.#streams.delete(served.stream);
    if (tracks.size > 0) this.#streams.set(served.stream, tracks);
  }
}
