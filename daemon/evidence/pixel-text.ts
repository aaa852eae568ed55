/** Digits and a few signs drawn from pixels: a picture of evidence must not depend on which fonts a machine has. Pure. */

/** Three by five, one row a digit: 4, 2 and 1 are left, middle and right. */
const GLYPHS: Readonly<Record<string, string>> = {
  "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71111", "8": "75757", "9": "75717",
  ".": "00002", "-": "00700", "+": "02720", ":": "02020", "%": "51245", s: "06427", " ": "00000",
};
const COLUMNS = 3;
const ROWS = 5;

export interface Picture {
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGB24. */
  readonly rgb: Uint8Array;
}

/** Draws in white; what has no glyph is left blank. */
export function drawText(picture: Picture, text: string, { x, y, scale }: { readonly x: number; readonly y: number; readonly scale: number }): void {
  for (let index = 0; index < text.length; index++) {
    const glyph = GLYPHS[text.charAt(index)] ?? "";
    for (let row = 0; row < ROWS; row++) {
      const bits = Number(glyph[row] ?? "0");
      for (let column = 0; column < COLUMNS; column++) {
        if ((bits & (4 >> column)) === 0) continue;
        fill(picture, { x: x + (index * (COLUMNS + 1) + column) * scale, y: y + row * scale, width: scale, height: scale });
      }
    }
  }
}

function fill({ widthPx, heightPx, rgb }: Picture, box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number }): void {
  for (let y = Math.max(0, box.y); y < Math.min(heightPx, box.y + box.height); y++) {
    const from = Math.max(0, box.x);
    const to = Math.min(widthPx, box.x + box.width);
    if (to > from) rgb.fill(255, (y * widthPx + from) * 3, (y * widthPx + to) * 3);
  }
}

/** Copies a picture into a larger one. */
export function paste(target: Picture, source: Picture, { x, y }: { readonly x: number; readonly y: number }): void {
  for (let row = 0; row < source.heightPx; row++) {
    target.rgb.set(source.rgb.subarray(row * source.widthPx * 3, (row + 1) * source.widthPx * 3), ((y + row) * target.widthPx + x) * 3);
  }
}

export function blankPicture(widthPx: number, heightPx: number): Picture {
  return { widthPx, heightPx, rgb: new Uint8Array(widthPx * heightPx * 3) };
}
