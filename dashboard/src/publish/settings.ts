/** What is published: the choices of the form and their defaults. Pure. */
import type { Source } from "./problem.ts";

export interface PictureSize {
  readonly label: string;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Truecast analyses at most 1280×720; more serves faces that are small in the picture no better. */
export const SIZES: readonly [PictureSize, ...PictureSize[]] = [
  { label: "1280 × 720", widthPx: 1280, heightPx: 720 },
  { label: "960 × 540", widthPx: 960, heightPx: 540 },
  { label: "640 × 360", widthPx: 640, heightPx: 360 },
];
/** Ten frames a second are analysed; 15 leave none of them out. */
export const FRAME_RATES: readonly number[] = [30, 15];
/** Under a megabit compression blurs what tells a forged face. */
export const BIT_RATES_KBPS: readonly number[] = [4000, 2500, 1000];

export interface PublishSettings {
  readonly stream: string | null;
  /** Secret: held in memory only, and gone with the page. */
  readonly key: string;
  readonly source: Source;
  /** Null: the browser's default camera. */
  readonly cameraId: string | null;
  readonly size: PictureSize;
  readonly fps: number;
  readonly bitrateKbps: number;
}

export const DEFAULT_SETTINGS: PublishSettings = { stream: null, key: "", source: "camera", cameraId: null, size: SIZES[0], fps: 30, bitrateKbps: 2500 };
