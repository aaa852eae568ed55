/** Which face of a stream is described next, if any: rarely, and never twice within a second. */
import type { TrackedFace } from "../../pipelines/types.ts";

/**
 * Looks at a track, from its first frame on, of media time: the first once its box has settled, and two more before it can
 * have a score over a whole window, for the mean of three is far steadier than one.
 */
const LOOKS_AT_MS = [1_000, 3_500, 6_000] as const;
const STREAM_EVERY_MS = 1_000;

interface Looked {
  readonly sincePtsMs: number;
  taken: number;
  /** One more is wanted than the schedule has, because an alert of this face is open. */
  asked: boolean;
}

export class LookSchedule {
  readonly #tracks = new Map<number, Looked>();
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @returns the face to describe in this frame; it counts as described */
  next(faces: readonly TrackedFace[], { ptsMs, nowMs }: { readonly ptsMs: number; readonly nowMs: number }): TrackedFace | null {
    for (const { trackId } of faces) if (!this.#tracks.has(trackId)) this.#tracks.set(trackId, { sincePtsMs: ptsMs, taken: 0, asked: false });
    if (nowMs - this.#lastMs < STREAM_EVERY_MS) return null;
    const due = faces.filter((face) => this.#isDue(face, ptsMs)).toSorted((a, b) => this.#takenOf(a) - this.#takenOf(b))[0];
    const looked = due && this.#tracks.get(due.trackId);
    if (due === undefined || looked === undefined) return null;
    this.#lastMs = nowMs;
    if (looked.asked) looked.asked = false;
    else looked.taken++;
    return due;
  }

  /** As soon as it is seen well again. */
  ask(trackId: number): void {
    const looked = this.#tracks.get(trackId);
    if (looked !== undefined) looked.asked = true;
  }

  /** It was seen, and has not ended. */
  follows(trackId: number): boolean {
    return this.#tracks.has(trackId);
  }

  forget(trackId: number): void {
    this.#tracks.delete(trackId);
  }

  /** Only a box that a detection of this frame supports, of a face that can be judged, shows the face as it is. */
  #isDue({ trackId, detected, crop }: TrackedFace, ptsMs: number): boolean {
    const looked = this.#tracks.get(trackId);
    if (looked === undefined || !detected || crop.kind !== "ok") return false;
    const dueMs = LOOKS_AT_MS[looked.taken];
    return looked.asked || (dueMs !== undefined && ptsMs - looked.sincePtsMs >= dueMs);
  }

  #takenOf({ trackId }: TrackedFace): number {
    return this.#tracks.get(trackId)?.taken ?? 0;
  }
}
