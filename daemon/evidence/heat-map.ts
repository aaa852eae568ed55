/**
 * Where in the face the evidence lies, by occlusion (Zeiler & Fergus, Visualizing and Understanding Convolutional Networks,
 * ECCV 2014, section 4.2): a patch of the face is covered in every crop, and the score is asked anew. Pure, but for the model behind a port.
 */
import type { Picture } from "./pixel-text.ts";

/** Port: probabilities of manipulation of variants of one sequence of crops. */
export interface SequenceScorer {
  /** @param sequences each a list of crops, RGB24 at the model's input size, in their order; @returns one raw probability each */
  score(sequences: readonly (readonly Uint8Array[])[]): Promise<readonly number[]>;
}

export interface HeatMap {
  /** Cells a side. */
  readonly cells: number;
  /** Score of the crops as they are. */
  readonly score: number;
  /** Row by row: the score with the patch around this cell covered. */
  readonly covered: readonly number[];
  /** Row by row: by how much log odds fell when it was covered. Above zero, what is there speaks for manipulation. */
  readonly evidence: readonly number[];
}

export interface HeatMapOptions {
  readonly crops: readonly Uint8Array[];
  readonly sizePx: number;
  readonly scorer: SequenceScorer;
  readonly cells?: number;
  /** Told after each row, for a deadline. */
  readonly onRow?: (row: number) => void;
}

const CELLS = 8;

export async function occlusionMap({ crops, sizePx, scorer, cells = CELLS, onRow }: HeatMapOptions): Promise<HeatMap> {
  const [score = 0.5] = await scorer.score([crops]);
  const means = crops.map(meanColour);
  const covered: number[] = [];
  for (let row = 0; row < cells; row++) {
    const variants = Array.from({ length: cells }, (_, column) => crops.map((crop, index) => coveredCrop(crop, patchOf({ row, column, cells, sizePx }), { sizePx, colour: means[index] ?? [0, 0, 0] })));
    covered.push(...(await scorer.score(variants)));
    onRow?.(row);
  }
  return { cells, score, covered, evidence: covered.map((value) => logOdds(score) - logOdds(value)) };
}

interface Patch {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Two cells wide around its cell, so that neighbours overlap and a feature on a border is covered whole by one of them. */
export function patchOf({ row, column, cells, sizePx }: { readonly row: number; readonly column: number; readonly cells: number; readonly sizePx: number }): Patch {
  const cell = sizePx / cells;
  const from = (index: number): number => Math.max(0, Math.round((index - 0.5) * cell));
  const to = (index: number): number => Math.min(sizePx, Math.round((index + 1.5) * cell));
  return { x: from(column), y: from(row), width: to(column) - from(column), height: to(row) - from(row) };
}

function coveredCrop(crop: Uint8Array, { x, y, width, height }: Patch, { sizePx, colour: [red, green, blue] }: { readonly sizePx: number; readonly colour: Colour }): Uint8Array {
  // A copy in any case: a Buffer's own slice is none.
  const covered = new Uint8Array(crop);
  for (let row = y; row < y + height; row++) {
    for (let column = x; column < x + width; column++) covered.set([red, green, blue], (row * sizePx + column) * 3);
  }
  return covered;
}

type Colour = readonly [number, number, number];

function meanColour(crop: Uint8Array): Colour {
  const sums = [0, 0, 0] as [number, number, number];
  for (let at = 0; at < crop.length; at += 3) for (const channel of [0, 1, 2] as const) sums[channel] += crop[at + channel] ?? 0;
  const count = Math.max(1, crop.length / 3);
  return [Math.round(sums[0] / count), Math.round(sums[1] / count), Math.round(sums[2] / count)];
}

/** Keeps the log odds finite where a float32 softmax has saturated. */
const EDGE = 1e-7;

function logOdds(probability: number): number {
  const inside = Math.min(1 - EDGE, Math.max(EDGE, probability));
  return Math.log(inside / (1 - inside));
}

const SHOWN_PX = 480;

/** The map over a crop: the strongest evidence for manipulation red, what speaks against it blue, the rest the face in grey. */
export function heatPicture({ cells, evidence }: HeatMap, crop: Uint8Array, sizePx: number): Picture {
  const rgb = new Uint8Array(SHOWN_PX * SHOWN_PX * 3);
  const strongest = Math.max(1e-6, ...evidence.map(Math.abs));
  for (let y = 0; y < SHOWN_PX; y++) {
    for (let x = 0; x < SHOWN_PX; x++) {
      const from = (Math.floor((y * sizePx) / SHOWN_PX) * sizePx + Math.floor((x * sizePx) / SHOWN_PX)) * 3;
      const grey = 0.299 * (crop[from] ?? 0) + 0.587 * (crop[from + 1] ?? 0) + 0.114 * (crop[from + 2] ?? 0);
      const value = between(evidence, cells, { x: ((x + 0.5) / SHOWN_PX) * cells - 0.5, y: ((y + 0.5) / SHOWN_PX) * cells - 0.5 }) / strongest;
      const share = Math.min(1, Math.abs(value)) * 0.65;
      const [red, green, blue] = value > 0 ? [220, 50, 32] : [0, 90, 181];
      rgb.set([mix(grey, red, share), mix(grey, green, share), mix(grey, blue, share)], (y * SHOWN_PX + x) * 3);
    }
  }
  return { widthPx: SHOWN_PX, heightPx: SHOWN_PX, rgb };
}

/** Bilinear. */
function between(values: readonly number[], cells: number, { x, y }: { readonly x: number; readonly y: number }): number {
  const at = (column: number, row: number): number => values[clamp(row, cells) * cells + clamp(column, cells)] ?? 0;
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const upper = mix(at(left, top), at(left + 1, top), x - left);
  const lower = mix(at(left, top + 1), at(left + 1, top + 1), x - left);
  return mix(upper, lower, y - top);
}

function clamp(index: number, cells: number): number {
  return Math.min(cells - 1, Math.max(0, index));
}

function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
