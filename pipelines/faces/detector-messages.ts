/** What the face detector and its worker thread say to each other. */

/** RGB24; both sides multiples of 32, the network's stride, so that no cell is cut. */
export interface WorkerPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Uint8Array;
}

/** How the worker is started. */
export interface DetectorWorkerData {
  /** Loads the recognition network as well: 100 MB more. */
  readonly describes: boolean;
}

export type DetectorRequest =
  | { readonly kind: "detect"; readonly id: number; readonly pictures: readonly WorkerPicture[]; readonly minConfidence: number }
  /** `rgb` is DESCRIPTOR_INPUT_PX square. */
  | { readonly kind: "describe"; readonly id: number; readonly rgb: Uint8Array };

export type DetectorReply =
  | { readonly kind: "ready" }
  | {
      readonly kind: "found";
      readonly id: number;
      /** One array a picture: rows of x, y, width, height, confidence in its pixels. */
      readonly found: readonly Float32Array[];
      readonly workMs: number;
      /** Live tensors after the request; flat unless something leaks. */
      readonly tensors: number;
    }
  | { readonly kind: "described"; readonly id: number; readonly descriptor: Float32Array }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };
