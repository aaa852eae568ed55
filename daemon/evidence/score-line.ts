/** The score line of an incident: every score of its face, from before the alert to its end, as data and as a picture. Pure. */
import type { ScorePoint } from "../protocol.ts";

export interface ScoreLine {
  add(point: ScorePoint): void;
  readonly points: readonly ScorePoint[];
  /** Points left out of the middle of a very long line. */
  readonly leftOut: number;
}

/** Two hours at each end, one score a second. */
const MAX_HALF = 7_200;

export function createScoreLine(): ScoreLine {
  const first: ScorePoint[] = [];
  const last: ScorePoint[] = [];
  let leftOut = 0;
  return {
    add(point) {
      if (first.length < MAX_HALF) return void first.push(point);
      last.push(point);
      if (last.length > MAX_HALF) {
        last.shift();
        leftOut++;
      }
    },
    get points() {
      return [...first, ...last];
    },
    get leftOut() {
      return leftOut;
    },
  };
}

/** The score that a crop took part in: the first one given at or after its time. */
export function scoreAt(points: readonly ScorePoint[], ptsMs: number): number | null {
  return (points.find((point) => point.ptsMs >= ptsMs) ?? points.at(-1))?.score ?? null;
}

export interface ScorePictureOptions {
  readonly threshold: number;
  readonly firedAt: number;
  /** Printed across the top, for example when the scores come from a script. */
  readonly banner: string | null;
}

const WIDTH_PX = 960;
const HEIGHT_PX = 320;
const LEFT = 48;
const RIGHT = 16;
const TOP = 36;
const BOTTOM = 36;
/** Okabe & Ito 2008: told apart by people who do not see red and green as different. */
const LINE = "#0072B2";
const EDGE = "#D55E00";

/** Time runs in seconds from the first point. */
export function scorePicture(points: readonly ScorePoint[], { threshold, firedAt, banner }: ScorePictureOptions): string {
  const start = points[0]?.ptsMs ?? 0;
  const spanMs = Math.max(1_000, (points.at(-1)?.ptsMs ?? 0) - start);
  const x = (ptsMs: number): number => round(LEFT + ((ptsMs - start) / spanMs) * (WIDTH_PX - LEFT - RIGHT));
  const y = (score: number): number => round(TOP + (1 - score) * (HEIGHT_PX - TOP - BOTTOM));
  const line = points.map((point) => `${x(point.ptsMs)},${y(point.score)}`).join(" ");
  const fired = points.find(({ at }) => at >= firedAt);
  const seconds = Array.from({ length: 7 }, (_, tick) => (spanMs / 6_000) * tick);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH_PX} ${HEIGHT_PX}" width="${WIDTH_PX}" height="${HEIGHT_PX}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="${LEFT}" y="20" fill="#111827">${banner === null ? "" : `<tspan fill="#b91c1c" font-weight="bold">${escaped(banner)} </tspan>`}Probability of manipulation, over the ten seconds before each point</text>`,
    ...[0, 0.25, 0.5, 0.75, 1].map((score) => `<line x1="${LEFT}" y1="${y(score)}" x2="${WIDTH_PX - RIGHT}" y2="${y(score)}" stroke="#e5e7eb"/><text x="${LEFT - 6}" y="${y(score) + 4}" text-anchor="end" fill="#6b7280">${score}</text>`),
    ...seconds.map((second) => `<text x="${x(start + second * 1_000)}" y="${HEIGHT_PX - 12}" text-anchor="middle" fill="#6b7280">${second.toFixed(1)} s</text>`),
    `<line x1="${LEFT}" y1="${y(threshold)}" x2="${WIDTH_PX - RIGHT}" y2="${y(threshold)}" stroke="${EDGE}" stroke-dasharray="6 4"/>`,
    ...(fired === undefined ? [] : [`<line x1="${x(fired.ptsMs)}" y1="${TOP}" x2="${x(fired.ptsMs)}" y2="${HEIGHT_PX - BOTTOM}" stroke="${EDGE}"/>`]),
    `<polyline points="${line}" fill="none" stroke="${LINE}" stroke-width="2"/>`,
    ...points.map((point) => `<circle cx="${x(point.ptsMs)}" cy="${y(point.score)}" r="2.5" fill="${LINE}" fill-opacity="${round(0.25 + 0.75 * point.coverage)}"/>`),
    "</svg>",
    "",
  ].join("\n");
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
