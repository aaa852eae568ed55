/** The pictures of a report, as SVG: ROC curves, reliability, and the scores of each type. */
import type { ChannelReport } from "./channel-report.ts";
import type { Reliability } from "./reliability.ts";
import type { RocPoint } from "./roc.ts";
import type { EvaluatedClip } from "./scored-clip.ts";

const PLOT_PX = 480;
const MARGIN_PX = 64;
/** Told apart by people who do not see red and green as different (Okabe & Ito 2008). */
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"] as const;
const GREY = "#6b7280";
const BANNER = "#b91c1c";

export interface PictureOptions {
  readonly title: string;
  /** Printed across the top, for example UNTRAINED. */
  readonly banner: string | null;
}

export function rocPicture(channels: readonly ChannelReport[], options: PictureOptions): string {
  const legend = channels.map((channel, index) => ({ colour: colourOf(index), dashed: false, text: `${channel.channel}: AUC ${shown(channel.area.value)}`, points: channel.roc }));
  const [first] = channels;
  if (first !== undefined) legend.push({ colour: GREY, dashed: true, text: `baseline: AUC ${shown(first.baseline.area.value)}`, points: first.baselineRoc });
  const curves = legend.map(({ points, colour, dashed }) => curve(points, colour, dashed));
  const lines = legend.map(({ colour, dashed, text }, index) => {
    const y = PLOT_PX - 20 - (legend.length - 1 - index) * 20;
    return `<line x1="${PLOT_PX - 240}" y1="${y - 4}" x2="${PLOT_PX - 216}" y2="${y - 4}" ${stroke(colour, dashed)}/>${label(PLOT_PX - 208, y, text)}`;
  });
  const ground = `<rect x="${PLOT_PX - 250}" y="${PLOT_PX - 18 - legend.length * 20}" width="244" height="${legend.length * 20 + 8}" fill="white" fill-opacity="0.85"/>`;
  return page(options, [axes({ x: "genuine clips flagged", y: "fakes caught" }), diagonal(), ...curves, ground, ...lines]);
}

export function reliabilityPicture(reliability: Reliability, options: PictureOptions): string {
  const most = Math.max(1, ...reliability.bins.map(({ count }) => count));
  const bars = reliability.bins.map(({ low, high, count }) => `<rect x="${at(low) + 1}" y="${PLOT_PX - (count / most) * PLOT_PX * 0.3}" width="${at(high - low) - 2}" height="${(count / most) * PLOT_PX * 0.3}" fill="#e5e7eb"/>`);
  const dots = reliability.bins.flatMap(({ meanScore, shareFake, count }) => {
    if (meanScore === null || shareFake === null) return [];
    return [`<circle cx="${at(meanScore)}" cy="${PLOT_PX - at(shareFake)}" r="5" fill="${colourOf(0)}"/>${label(at(meanScore) + 8, PLOT_PX - at(shareFake) - 6, String(count), 11)}`];
  });
  const text = label(16, 24, `ECE ${shown(reliability.expectedCalibrationError)}; bars and numbers are clips`);
  return page(options, [...bars, axes({ x: "mean score of the bin", y: "share of fakes" }), diagonal(), ...dots, text]);
}

/** One row a type, one dot a clip. */
export function scoresPicture(clips: readonly EvaluatedClip[], threshold: number, options: PictureOptions): string {
  const rows = [...Map.groupBy(clips, ({ label: kind, type }) => `${kind}: ${type}`)].toSorted(([a], [b]) => a.localeCompare(b, "en"));
  const rowPx = 28;
  const left = 430;
  const width = left + PLOT_PX + 40;
  const height = rows.length * rowPx + 110;
  const x = (score: number): number => left + score * PLOT_PX;
  const body = rows.flatMap(([name, members], row) => {
    const y = 60 + row * rowPx;
    const scored = members.flatMap(({ score }) => (score === null ? [] : [score]));
    const colour = members[0]?.label === "fake" ? colourOf(1) : colourOf(0);
    const unscored = members.length - scored.length;
    const text = `${name.length > 46 ? `${name.slice(0, 45)}…` : name}${unscored > 0 ? ` (${unscored} unscored)` : ""}`;
    return [label(10, y + 4, text, 12), `<line x1="${left}" y1="${y}" x2="${x(1)}" y2="${y}" stroke="#e5e7eb"/>`, ...scored.map((score) => `<circle cx="${x(score)}" cy="${y}" r="5" fill="${colour}" fill-opacity="0.55"/>`)];
  });
  const bottom = 60 + rows.length * rowPx;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) => label(x(tick), bottom + 16, String(tick), 12, "middle"));
  const edge = `<line x1="${x(threshold)}" y1="44" x2="${x(threshold)}" y2="${bottom}" ${stroke(GREY, true)}/>`;
  return svg(width, height, [heading(options), edge, ...body, ...ticks, label(x(0.5), bottom + 36, "score", 13, "middle")]);
}

function page(options: PictureOptions, body: readonly string[]): string {
  const size = PLOT_PX + 2 * MARGIN_PX;
  return svg(size, size, [heading(options), `<g transform="translate(${MARGIN_PX},${MARGIN_PX})">`, ...body, "</g>"]);
}

function svg(width: number, height: number, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="white"/>${body.join("")}</svg>`;
}

function heading({ title, banner }: PictureOptions): string {
  const warning = banner === null ? "" : `<tspan fill="${BANNER}" font-weight="bold">${escaped(banner)}</tspan>`;
  return `<text x="20" y="30" font-size="15" fill="#111827">${warning}<tspan${banner === null ? "" : ' dx="10"'}>${escaped(title)}</tspan></text>`;
}

function axes({ x, y }: { readonly x: string; readonly y: string }): string {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) => label(at(tick), PLOT_PX + 18, String(tick), 12, "middle") + label(-8, PLOT_PX - at(tick) + 4, String(tick), 12, "end"));
  const frame = `<rect width="${PLOT_PX}" height="${PLOT_PX}" fill="none" stroke="#9ca3af"/>`;
  const names = `${label(PLOT_PX / 2, PLOT_PX + 42, x, 13, "middle")}<text transform="translate(-44,${PLOT_PX / 2}) rotate(-90)" font-size="13" fill="#111827" text-anchor="middle">${escaped(y)}</text>`;
  return frame + ticks.join("") + names;
}

function diagonal(): string {
  return `<line x1="0" y1="${PLOT_PX}" x2="${PLOT_PX}" y2="0" stroke="#d1d5db" stroke-dasharray="2 4"/>`;
}

function curve(points: readonly RocPoint[], colour: string, dashed: boolean): string {
  const path = points.map(({ falsePositiveRate, truePositiveRate }) => `${at(falsePositiveRate).toFixed(1)},${(PLOT_PX - at(truePositiveRate)).toFixed(1)}`).join(" ");
  return `<polyline points="${path}" fill="none" ${stroke(colour, dashed)}/>`;
}

function label(x: number, y: number, text: string, sizePx = 13, anchor: "start" | "middle" | "end" = "start"): string {
  return `<text x="${x}" y="${y}" font-size="${sizePx}" fill="#111827" text-anchor="${anchor}">${escaped(text)}</text>`;
}

function stroke(colour: string, dashed: boolean): string {
  return `stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ""}`;
}

function at(share: number): number {
  return share * PLOT_PX;
}

function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length] ?? GREY;
}

function shown(value: number | null): string {
  return value === null ? "–" : value.toFixed(3);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
