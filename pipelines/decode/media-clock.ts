/** The continuous media clock of a stream: timestamps that jump or begin anew in, milliseconds that only rise out. */
import { SLOT_MS } from "../types.ts";

export type DiscontinuityCause = "backward" | "forward" | "reconnect";

export interface ClockReading {
  readonly ptsMs: number;
  /** Why the clock left the raw timeline here; null when it ran on. */
  readonly discontinuity: DiscontinuityCause | null;
}

export interface MediaClock {
  /** Maps the next raw timestamp; never returns less than it did before. */
  advance(rawMs: number): ClockReading;
  /** The next raw timestamp belongs to a new timeline (a reconnected publisher). */
  interrupt(): void;
  readonly discontinuities: number;
}

export interface MediaClockOptions {
  /** Forward jumps beyond this are taken for a new timeline. */
  readonly maxForwardJumpMs?: number;
  /** How far the clock goes on across a discontinuity. */
  readonly stepMs?: number;
  /** Where the clock begins; without it, at the first raw timestamp. */
  readonly startMs?: number;
}

export function createMediaClock(options: MediaClockOptions = {}): MediaClock {
  const { maxForwardJumpMs = 2000, stepMs = SLOT_MS, startMs } = options;
  let last: { readonly rawMs: number; readonly ptsMs: number } | null = null;
  let interrupted = false;
  let discontinuities = 0;

  function causeOf(deltaMs: number): DiscontinuityCause | null {
    if (interrupted) return "reconnect";
    // Muxers that round let a timestamp slip back by a little; that is jitter, and the clock holds still for it.
    if (deltaMs < -stepMs) return "backward";
    return deltaMs > maxForwardJumpMs ? "forward" : null;
  }

  return {
    advance(rawMs) {
      if (last === null) {
        interrupted = false;
        last = { rawMs, ptsMs: startMs ?? rawMs };
        return { ptsMs: last.ptsMs, discontinuity: null };
      }
      const deltaMs = rawMs - last.rawMs;
      const discontinuity = causeOf(deltaMs);
      interrupted = false;
      if (discontinuity !== null) {
        discontinuities++;
        last = { rawMs, ptsMs: last.ptsMs + stepMs };
      } else if (deltaMs > 0) {
        last = { rawMs, ptsMs: last.ptsMs + deltaMs };
      }
      return { ptsMs: last.ptsMs, discontinuity };
    },
    interrupt() {
      interrupted = true;
    },
    get discontinuities() {
      return discontinuities;
    },
  };
}

export type SlotReading =
  | { readonly kind: "new-slot"; readonly slot: number; /** Empty slots since the last frame. */ readonly skippedSlots: number }
  | { readonly kind: "same-slot"; readonly slot: number };

export interface SlotGate {
  /** Slots handed out rise strictly; a frame of a slot already used, or of an earlier one, is flagged. */
  admit(ptsMs: number): SlotReading;
  readonly lastSlot: number | null;
}

export function createSlotGate(): SlotGate {
  let lastSlot: number | null = null;
  return {
    admit(ptsMs) {
      const slot = Math.floor(ptsMs / SLOT_MS);
      if (lastSlot !== null && slot <= lastSlot) return { kind: "same-slot", slot };
      const skippedSlots = lastSlot === null ? 0 : slot - lastSlot - 1;
      lastSlot = slot;
      return { kind: "new-slot", slot, skippedSlots };
    },
    get lastSlot() {
      return lastSlot;
    },
  };
}
