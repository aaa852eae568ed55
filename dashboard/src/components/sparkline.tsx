/** Ten minutes of the worst score, small, under a tile. */
import { memo, useMemo } from "react";
import type { ModelCard } from "../../../daemon/protocol.ts";
import { sparkline } from "../score-history.ts";
import { useReady } from "../use-live.ts";
import { useServerNow } from "../use-now.ts";

const WIDTH = 240;
const HEIGHT = 36;
const PADDING = 2;

/** `bands` is null where scores may not be measured by them. */
export const Sparkline = memo(function Sparkline({ name, bands }: { name: string; bands: ModelCard["bands"] | null }) {
  const points = useReady((state) => state.histories.get(name)?.points);
  const nowMs = useServerNow();
  const line = useMemo(() => sparkline(points ?? [], nowMs), [points, nowMs]);
  const last = line.at(-1);
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {bands !== null && (
        <>
          <rect className="sparkline-manipulated" x="0" y={yOf(1)} width={WIDTH} height={yOf(bands.manipulated) - yOf(1)} />
          <rect className="sparkline-suspicious" x="0" y={yOf(bands.manipulated)} width={WIDTH} height={yOf(bands.suspicious) - yOf(bands.manipulated)} />
        </>
      )}
      <line className="sparkline-base" x1="0" x2={WIDTH} y1={yOf(0)} y2={yOf(0)} />
      <path className="sparkline-line" d={line.map((point) => `${point.breakBefore ? "M" : "L"}${xOf(point.x)} ${yOf(point.score)}${point.breakBefore ? "h0.01" : ""}`).join("")} />
      {last !== undefined && <path className="sparkline-head" d={`M${xOf(last.x)} ${yOf(last.score)}h0.01`} />}
    </svg>
  );
});

function xOf(x: number): string {
  return (4 + x * (WIDTH - 8)).toFixed(1);
}

function yOf(score: number): number {
  return Math.round((PADDING + (1 - score) * (HEIGHT - 2 * PADDING)) * 10) / 10;
}
