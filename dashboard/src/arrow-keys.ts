/** Where an arrow key leads on a grid of tiles, by where the tiles really are, so that it holds for any number of columns. */

export interface TileRect {
  readonly left: number;
  readonly top: number;
}

/** Index of the tile to go to, or null when the key leads nowhere. */
export function arrowTarget(key: string, from: number, tiles: readonly TileRect[]): number | null {
  const current = tiles[from];
  if (current === undefined) return null;
  const last = tiles.length - 1;
  switch (key) {
    case "ArrowRight":
      return from < last ? from + 1 : null;
    case "ArrowLeft":
      return from > 0 ? from - 1 : null;
    case "Home":
      return 0;
    case "End":
      return last;
    case "ArrowDown":
      return nearestInRow(current, tiles, (top) => top > current.top + 1, "first");
    case "ArrowUp":
      return nearestInRow(current, tiles, (top) => top < current.top - 1, "last");
    default:
      return null;
  }
}

/** The tile closest in column, in the first or last row that matches. */
function nearestInRow(current: TileRect, tiles: readonly TileRect[], matches: (top: number) => boolean, which: "first" | "last"): number | null {
  const tops = tiles.map((tile) => tile.top).filter(matches);
  if (tops.length === 0) return null;
  const rowTop = which === "first" ? Math.min(...tops) : Math.max(...tops);
  let best: number | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const [index, tile] of tiles.entries()) {
    const distance = Math.abs(tile.left - current.left);
    if (Math.abs(tile.top - rowTop) > 1 || distance >= bestDistance) continue;
    best = index;
    bestDistance = distance;
  }
  return best;
}
