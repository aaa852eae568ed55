/** The contact sheet: the crops of the horizon as the model saw them, each under its time before the alert and its score. Pure. */
import { blankPicture, drawText, paste, type Picture } from "./pixel-text.ts";

export interface SheetCrop {
  readonly ptsMs: number;
  /** RGB24, `sizePx * sizePx * 3` bytes. */
  readonly pixels: Uint8Array;
  readonly score: number | null;
}

const COLUMNS = 5;
const LABEL_PX = 20;
const GAP_PX = 4;

/** @param zeroPtsMs media clock that the times are counted from */
export function contactSheet(crops: readonly SheetCrop[], { sizePx, zeroPtsMs }: { readonly sizePx: number; readonly zeroPtsMs: number }): Picture {
  const columns = Math.min(COLUMNS, crops.length);
  const rows = Math.ceil(crops.length / COLUMNS);
  const cell = { width: sizePx + GAP_PX, height: sizePx + LABEL_PX + GAP_PX };
  const sheet = blankPicture(columns * cell.width + GAP_PX, rows * cell.height + GAP_PX);
  for (const [index, { ptsMs, pixels, score }] of crops.entries()) {
    const x = GAP_PX + (index % COLUMNS) * cell.width;
    const y = GAP_PX + Math.floor(index / COLUMNS) * cell.height;
    const seconds = (ptsMs - zeroPtsMs) / 1_000;
    drawText(sheet, `${seconds > 0 ? "+" : ""}${seconds.toFixed(1)}s`, { x, y: y + 4, scale: 2 });
    if (score !== null) drawText(sheet, score.toFixed(2), { x: x + sizePx - 4 * 8, y: y + 4, scale: 2 });
    paste(sheet, { widthPx: sizePx, heightPx: sizePx, rgb: pixels }, { x, y: y + LABEL_PX });
  }
  return sheet;
}

/** The crops side by side, nothing else: losslessly kept, it is what went into the model. */
export function cropStrip(crops: readonly SheetCrop[], sizePx: number): Picture {
  const strip = blankPicture(crops.length * sizePx, sizePx);
  for (const [index, { pixels }] of crops.entries()) paste(strip, { widthPx: sizePx, heightPx: sizePx, rgb: pixels }, { x: index * sizePx, y: 0 });
  return strip;
}
