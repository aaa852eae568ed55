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

/** A live publisher sends more often than this; without packets for longer, nothing is owed until the next one. */
const FED_WITHIN_MS = 1000;

export function createStallWatch(options: StallWatchOptions): StallWatch {
  const { timeoutMs, firstFrameTimeoutMs, checkEveryMs, minPackets = 4 } = options;
  let unansweredSinceMs: number | null = null;
  let unansweredPackets = 0;
  /** Time in which a frame was owed: counted from check to check, and only while packets kept coming. */
  let owedMs = 0;
  let lastFedMs: number | null = null;
  let deliveredAny = false;
  let lastCheckMs: number | null = null;

  const settle = (): void => {
    unansweredSinceMs = null;
    unansweredPackets = 0;
    owedMs = 0;
  };

  return {
    fed(nowMs) {
      unansweredSinceMs ??= nowMs;
      unansweredPackets++;
      lastFedMs = nowMs;
    },
    delivered() {
      settle();
      deliveredAny = true;
    },
    reset() {
      settle();
      deliveredAny = false;
    },
    isStalled(nowMs) {
      const sinceCheckMs = nowMs - (lastCheckMs ?? nowMs);
      lastCheckMs = nowMs;
      // At 60 packets a second five in six become no frame, so the last ones before a publisher's silence stay unanswered:
      // the silence is not the decoder's.
      if (unansweredSinceMs === null || lastFedMs === null || nowMs - lastFedMs > FED_WITHIN_MS) return false;
      // A check that comes late means that this process was held up; frames may wait unread, so that time does not count.
      const countedMs = sinceCheckMs > 2 * checkEveryMs ? checkEveryMs : sinceCheckMs;
      owedMs += Math.min(countedMs, nowMs - unansweredSinceMs);
      return unansweredPackets >= minPackets && owedMs >= (deliveredAny ? timeoutMs : firstFrameTimeoutMs);
    },
  };
}
