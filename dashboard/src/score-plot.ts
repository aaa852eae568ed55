/** The uPlot drawing of the score line; it reads its colours from the style sheet when it is made. */
import uPlot from "uplot";
import { formatPercent } from "./format.ts";
import { type ChartData, HISTORY_MS } from "./score-history.ts";

interface Bands {
  readonly uncertain: number;
  readonly suspicious: number;
  readonly manipulated: number;
}

export interface ScorePlotOptions {
  readonly tracks: readonly number[];
  /** Null where scores may not be measured by them. */
  readonly bands: Bands | null;
}

export interface ScorePlot {
  /** Draws the data with `nowMs` at the right edge. `data` holds the tracks the plot was made for, in their order. */
  draw(data: ChartData, nowMs: number): void;
  resize(): void;
  close(): void;
}

/** Beside the colour, so that lines are told apart without it; the legend draws the same with a border. */
const DASHES = [
  { line: [], border: "solid" },
  { line: [7, 4], border: "dashed" },
  { line: [2, 3], border: "dotted" },
] as const;

export function createScorePlot(host: HTMLElement, options: ScorePlotOptions): ScorePlot {
  const style = getComputedStyle(host);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const font = `11px ${style.fontFamily}`;
  const { bands } = options;
  let nowMs = Date.now();
  let provisional: readonly (readonly number[])[] = [];
  let latest: readonly number[] = [];

  const plot = new uPlot(
    {
      width: host.clientWidth,
      height: host.clientHeight - legendHeight(options.tracks.length),
      padding: [8, 92, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      legend: {
        show: options.tracks.length > 0,
        markers: { width: 2, fill: () => "transparent", dash: (_, seriesIndex) => DASHES[(seriesIndex - 1) % DASHES.length]?.border ?? "solid" },
      },
      scales: {
        x: { time: true, range: () => [(nowMs - HISTORY_MS) / 1000, nowMs / 1000] },
        y: { range: [0, 1] },
      },
      axes: [
        {
          stroke: color("--text-muted"),
          font,
          grid: { show: false },
          ticks: { stroke: color("--line"), width: 1, size: 4 },
          size: 26,
          space: 90,
          values: (_, splits) => splits.map((second) => new Date(second * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })),
          incrs: [60, 120, 300],
        },
        {
          stroke: color("--text-muted"),
          font,
          grid: { show: false },
          ticks: { show: false },
          size: 44,
          splits: () => [0, 0.25, 0.5, 0.75, 1],
          values: (_, splits) => splits.map((score) => formatPercent(score)),
        },
      ],
      series: [
        { label: "At", value: (_, second) => (typeof second === "number" ? new Date(second * 1000).toLocaleTimeString("en-GB") : "latest") },
        ...options.tracks.map((track, index): uPlot.Series => {
          const stroke = color(`--series-${(index % 8) + 1}`);
          return {
            label: `Face #${track}`,
            stroke,
            width: 2,
            dash: [...(DASHES[index % DASHES.length]?.line ?? [])],
            // A provisional score is a hollow point, so that it is not taken for a full one.
            points: { show: true, size: 6, width: 1.5, stroke, fill: color("--panel"), filter: () => [...(provisional[index] ?? [])] },
            // With no pointer over the plot the legend tells the latest scores.
            value: (_, score, __, at) => (typeof score === "number" ? formatPercent(score) : at === null ? formatLatest(latest[index]) : "–"),
          };
        }),
      ],
      hooks: { drawClear: bands === null ? [] : [(drawn) => drawBands({ plot: drawn, bands, color, font })] },
    },
    [[], ...options.tracks.map(() => [])],
    host,
  );

  return {
    draw: (data, at) => {
      nowMs = at;
      provisional = data.series.map((series) => series.provisional);
      latest = data.series.map((series) => series.latest);
      plot.setData([[...data.atSeconds], ...data.series.map((series) => [...series.scores])]);
    },
    resize: () => plot.setSize({ width: host.clientWidth, height: host.clientHeight - legendHeight(options.tracks.length) }),
    close: () => plot.destroy(),
  };
}

function formatLatest(score: number | undefined): string {
  return score === undefined ? "–" : formatPercent(score);
}

/** The legend stands under the plot, inside the host's fixed height. */
function legendHeight(tracks: number): number {
  return tracks === 0 ? 0 : 30;
}

interface BandDrawing {
  readonly plot: uPlot;
  readonly bands: Bands;
  readonly color: (name: string) => string;
  readonly font: string;
}

/** The verdict bands behind the lines, each named at its right edge. */
function drawBands({ plot, bands, color, font }: BandDrawing): void {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio;
  const rows = [
    { kind: "authentic", from: 0, to: bands.uncertain },
    { kind: "uncertain", from: bands.uncertain, to: bands.suspicious },
    { kind: "suspicious", from: bands.suspicious, to: bands.manipulated },
    { kind: "manipulated", from: bands.manipulated, to: 1 },
  ];
  ctx.save();
  ctx.font = font.replace(/^11px/, `${11 * ratio}px`);
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const row of rows) {
    const top = plot.valToPos(row.to, "y", true);
    const bottom = plot.valToPos(row.from, "y", true);
    ctx.globalAlpha = 0.13;
    ctx.fillStyle = color(`--${row.kind}`);
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    ctx.globalAlpha = 1;
    ctx.fillText(row.kind, bbox.left + bbox.width + 8 * ratio, (top + bottom) / 2);
  }
  ctx.restore();
}
