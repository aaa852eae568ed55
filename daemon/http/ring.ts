/** Recent numbered messages, bounded by count and bytes, for clients that come back after a break. */

export interface MessageRing {
  /** Number of the newest message; 0 before the first. */
  readonly lastSeq: number;
  readonly count: number;
  readonly bytes: number;
  /** Appends the message numbered `lastSeq + 1`. */
  push(message: Buffer): void;
  /**
   * Messages after `since`, oldest first.
   * Null when one of them is no longer kept, when they are more than `maxBytes`, or when `since` was never given out.
   */
  after(since: number, maxBytes: number): readonly Buffer[] | null;
}

export function createMessageRing(limits: { maxMessages: number; maxBytes: number }): MessageRing {
  let kept: Buffer[] = [];
  /** Index in `kept` of the oldest message still held; the array is cut only now and then. */
  let head = 0;
  let bytes = 0;
  let lastSeq = 0;

  return {
    get lastSeq() {
      return lastSeq;
    },
    get count() {
      return kept.length - head;
    },
    get bytes() {
      return bytes;
    },
    push(message) {
      lastSeq += 1;
      kept.push(message);
      bytes += message.length;
      while (kept.length > head && (kept.length - head > limits.maxMessages || bytes > limits.maxBytes)) {
        bytes -= kept[head]?.length ?? 0;
        // Lets go of the bytes now, not when the array is cut.
        kept[head] = EMPTY;
        head += 1;
      }
      if (head > limits.maxMessages) {
        kept = kept.slice(head);
        head = 0;
      }
    },
    after(since, maxBytes) {
      const missed = lastSeq - since;
      if (!Number.isSafeInteger(since) || since < 0 || missed < 0 || missed > kept.length - head) return null;
      const messages = kept.slice(kept.length - missed);
      return messages.reduce((sum, message) => sum + message.length, 0) > maxBytes ? null : messages;
    },
  };
}

const EMPTY = Buffer.alloc(0);
