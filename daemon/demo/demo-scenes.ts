/** What the demo's videos show: which photograph, which part of it, and which face is forged from whom. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Pixels of the photograph. The eyes were found by face-api's 68-point landmarks. */
export interface FaceAnchor {
  readonly photo: string;
  readonly leftEye: Point;
  readonly rightEye: Point;
}

export interface Scene {
  readonly name: "genuine" | "forged";
  readonly photo: string;
  /** Part of the photograph that the camera moves over, 16:9; it sees about 1/1.16 of it at a time. */
  readonly region: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** Starts the camera at another place of its path, so that the two videos do not move alike. */
  readonly phase: number;
  readonly forgery: { readonly target: FaceAnchor; readonly donor: FaceAnchor } | null;
}

const PHOTO_5 = "sample5.jpg";
const PHOTO_6 = "sample6.jpg";

export const SCENES: readonly Scene[] = [
  {
    name: "genuine",
    photo: PHOTO_6,
    region: { left: 768, top: 130, width: 1152, height: 648 },
    phase: 0,
    forgery: null,
  },
  {
    name: "forged",
    photo: PHOTO_5,
    // One face alone: the demo's script scores the whole stream, and a genuine face beside it would be accused.
    region: { left: 40, top: 690, width: 1000, height: 562 },
    phase: 2,
    forgery: {
      target: { photo: PHOTO_5, leftEye: { x: 426, y: 990 }, rightEye: { x: 518, y: 980 } },
      donor: { photo: PHOTO_6, leftEye: { x: 324, y: 605 }, rightEye: { x: 421, y: 594 } },
    },
  },
];
