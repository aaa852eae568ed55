/** Face crops of the last horizon, as the model saw them: two a second, uncompressed, by track. */

export interface KeptCrop {
  readonly ptsMs: number;
  readonly pixels: Uint8Array;
}

/**
 * Every fifth slot's crop is kept as it is. All hundred would be 7.7 MB a face at 160 pixels, 20 are 1.5 MB; keeping a
 * reference costs no CPU, and a compressed one would no longer be what the model saw, whose cues are of the fineness
 * that compression takes away first.
 */
const EVERY_MS = 500;
const MAX_KEPT = 20;

export interface CropRing {
  /** The pixels are kept, not copied. */
  add(trackId: number, crop: KeptCrop): void;
  endTrack(trackId: number): void;
  /** Oldest first. */
  from(trackId: number, ptsMs: number): readonly KeptCrop[];
}

export function createCropRing(): CropRing {
  const tracks = new Map<number, KeptCrop[]>();
  return {
    add(trackId, crop) {
      const kept = tracks.get(trackId) ?? [];
      const last = kept.at(-1);
      if (last !== undefined && crop.ptsMs - last.ptsMs < EVERY_MS) return;
      kept.push(crop);
      if (kept.length > MAX_KEPT) kept.shift();
      tracks.set(trackId, kept);
    },
    endTrack: (trackId) => void tracks.delete(trackId),
    from: (trackId, ptsMs) => (tracks.get(trackId) ?? []).filter((crop) => crop.ptsMs >= ptsMs),
  };
}
