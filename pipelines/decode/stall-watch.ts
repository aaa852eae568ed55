/** Tells a decoder that is fed but delivers nothing from one that has nothing to decode. */

export interface StallWatch {
  /** A packet went into the decoder. */
  fed(nowMs: number): void;
  /** A frame came out. */
  delivered(): void;
  /** A new decoder; nothing is owed yet. */
  reset(): void;
  /** Asked about every `checkEveryMs`. */
  isStalled(nowMs: number): boolean;
}

export interface StallWatchOptions {
  readonly timeoutMs: number;
  /** A decoder that starts has to load first. */
  readonly firstFrameTimeoutMs: number;
  readonly checkEveryMs: number;
  /** A decoder may hold back a few packets for reordering; fewer than this unanswered are no stall, however slow the stream. */
  readonly minPackets?: number;
}

export function createStallWatch(options: StallWatchOptions): StallWatch {
  const { timeoutMs, firstFrameTimeoutMs, checkEveryMs, minPackets = 4 } = options;
  let unansweredSinceMs: number | null = null;
  let unansweredPackets = 0;
  let deliveredAny = false;
  let lastCheckMs: number | null = null;

  return {
    fed(nowMs) {
      unansweredSinceMs ??= nowMs;
      unansweredPackets++;
    },
    delivered() {
      unansweredSinceMs = null;
      unansweredPackets = 0;
      deliveredAny = true;
    },
    reset() {
      unansweredSinceMs = null;
      unansweredPackets = 0;
      deliveredAny = false;
    },
    isStalled(nowMs) {
      const sinceCheckMs = nowMs - (lastCheckMs ?? nowMs);
      lastCheckMs = nowMs;
      if (unansweredSinceMs === null) return false;
      // A check that comes late means that this process was held up; frames may wait unread, so that time does not count.
      if (sinceCheckMs > 2 * checkEveryMs) unansweredSinceMs = Math.min(nowMs, unansweredSinceMs + sinceCheckMs - checkEveryMs);
      return unansweredPackets >= minPackets && nowMs - unansweredSinceMs >= (deliveredAny ? timeoutMs : firstFrameTimeoutMs);
    },
  };
}
