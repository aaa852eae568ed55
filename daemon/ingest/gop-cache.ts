/** Keeps the current group of pictures (sequence header, keyframe and what followed), so that a new reader starts at once. */

export interface GopLimits {
  readonly gopCacheBytes: number;
  readonly gopCachePackets: number;
}

export interface GopCache {
  /** FLV tag of the sequence header in force. */
  readonly sequenceHeader: Buffer | null;
  /** FLV tags from the last keyframe on; empty before the first one and after an overflow. */
  readonly tags: readonly Buffer[];
  /** Takes a sequence header; frames that belong to another one are forgotten. */
  setSequenceHeader(tag: Buffer): void;
  addKeyframe(tag: Buffer): void;
  addInterframe(tag: Buffer): void;
}

export function createGopCache(limits: GopLimits): GopCache {
  let sequenceHeader: Buffer | null = null;
  let tags: Buffer[] = [];
  let bytes = 0;

  return {
    get sequenceHeader() {
      return sequenceHeader;
    },
    get tags() {
      return tags;
    },
    setSequenceHeader(tag) {
      sequenceHeader = tag;
      tags = [];
      bytes = 0;
    },
    addKeyframe(tag) {
      tags = [tag];
      bytes = tag.length;
    },
    addInterframe(tag) {
      if (tags.length === 0) return;
      if (bytes + tag.length > limits.gopCacheBytes || tags.length >= limits.gopCachePackets) {
        // A group with a hole cannot be decoded: wait for the next keyframe.
        tags = [];
        bytes = 0;
        return;
      }
      tags.push(tag);
      bytes += tag.length;
    },
  };
}
