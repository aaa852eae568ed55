/** Decodes the output grid of face-api's TinyFaceDetector (a Tiny YOLOv2) into boxes. */

/** Pixels of input a cell of output stands for. */
export const STRIDE_PX = 32;

/** Width and height of the anchors in cells, from face-api's `tinyFaceDetector/const.ts`. */
const ANCHORS = [
  [1.603231, 2.094468],
  [6.041143, 7.080126],
  [2.882459, 3.518061],
  [4.266906, 5.178857],
  [9.041765, 10.66308],
] as const;

/** x, y, width, height and objectness for each anchor; with one class the network gives no class scores. */
const VALUES_PER_ANCHOR = 5;
export const VALUES_PER_CELL = ANCHORS.length * VALUES_PER_ANCHOR;
export const VALUES_PER_ROW = 5;

export interface CellGrid {
  /** `rows * columns * VALUES_PER_CELL` raw outputs. */
  readonly cells: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  readonly minConfidence: number;
}

/** @returns rows of x, y, width, height, confidence in pixels of the network's input, in grid order */
export function decodeCells({ cells, rows, columns, minConfidence }: CellGrid): Float32Array {
  const found: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (const [k, [anchorWidth, anchorHeight]] of ANCHORS.entries()) {
        const at = (row * columns + column) * VALUES_PER_CELL + k * VALUES_PER_ANCHOR;
        const confidence = sigmoid(cells[at + 4]!);
        if (confidence < minConfidence) continue;
        const width = Math.exp(cells[at + 2]!) * anchorWidth * STRIDE_PX;
        const height = Math.exp(cells[at + 3]!) * anchorHeight * STRIDE_PX;
        const x = (column + sigmoid(cells[at]!)) * STRIDE_PX - width / 2;
        const y = (row + sigmoid(cells[at + 1]!)) * STRIDE_PX - height / 2;
        found.push(x, y, width, height, confidence);
      }
    }
  }
  return Float32Array.from(found);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
