/** Whether two descriptors are of one face. Descriptors stay in memory: none is logged, stored or given out. */

/** face-api's: 128 numbers. */
export type FaceDescriptor = Float32Array;

/**
 * Two faces nearer than this are one person's. face-api's customary 0.6 is for a photograph beside a photograph, one
 * against many; here a mistake would put two people into one incident. Measured in docs/faces.md.
 */
export const SAME_FACE_DISTANCE = 0.4;
/** Looks that weigh in the mean; past these the newest weigh a little more. */
const MAX_WEIGHT = 6;

/** What a face looks like: the mean of several looks, which lies nearer to every other look than any single one does. */
export interface Likeness {
  readonly mean: FaceDescriptor;
  readonly looks: number;
}

export function addLook(likeness: Likeness | null, look: FaceDescriptor): Likeness {
  if (likeness === null) return { mean: look.slice(), looks: 1 };
  const looks = Math.min(likeness.looks + 1, MAX_WEIGHT);
  return { mean: likeness.mean.map((value, i) => value + ((look[i] ?? value) - value) / looks), looks };
}

/** Euclidean, as face-api's. */
export function faceDistance(a: FaceDescriptor, b: FaceDescriptor): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2;
  return Math.sqrt(squares);
}

export function isSamePerson(a: Likeness, b: Likeness): boolean {
  return faceDistance(a.mean, b.mean) < SAME_FACE_DISTANCE;
}
