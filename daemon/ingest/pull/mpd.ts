/** DASH manifests (ISO/IEC 23009-1) to the next addresses of one video representation. Pure; addresses are judged by whoever fetches them. */
import { TruecastError } from "../../../pipelines/errors.ts";
import { childrenOf, parseXml, type XmlElement } from "./xml.ts";

export interface DashSegment {
  /** Rises within a representation: a number, a time or an index. */
  readonly order: number;
  readonly url: URL;
}

export interface DashPresentation {
  /** The whole of it is known: a recording, or a live presentation that is over. */
  readonly ended: boolean;
  /** After which to ask again. */
  readonly reloadMs: number;
  /** Period and representation: where it changes, tracks are described anew. */
  readonly representation: string;
  readonly init: URL | null;
  readonly segments: readonly DashSegment[];
}

/** Declared repetitions and durations cost a byte and would fill any memory. */
const MAX_SEGMENTS = 20_000;
const LIVE_SEGMENTS = 6;
const MIN_RELOAD_MS = 500;
const MAX_RELOAD_MS = 30_000;

/**
 * @param nowMs milliseconds since the Unix epoch
 * @throws TruecastError playlist-invalid, codec-unsupported
 */
export function parseMpd(text: string, base: URL, { nowMs, maxHeightPx }: { readonly nowMs: number; readonly maxHeightPx: number }): DashPresentation {
  const mpd = parseXml(text);
  if (mpd.name !== "MPD") throw invalid("its root is no MPD");
  const dynamic = mpd.attributes.get("type") === "dynamic";
  const availableFromMs = Date.parse(mpd.attributes.get("availabilityStartTime") ?? "") || 0;
  const { period, startMs, id } = currentPeriod(mpd, { dynamic, elapsedMs: nowMs - availableFromMs });
  const { set, representation } = chooseRepresentation(period, maxHeightPx);
  if ([set, representation].some((element) => childrenOf(element, "ContentProtection").length > 0)) throw new TruecastError("codec-unsupported", "The DASH presentation is encrypted.");

  const levels = [mpd, period, set, representation];
  const baseUrl = levels.reduce((url, element) => resolved(childrenOf(element, "BaseURL")[0]?.text.trim() ?? "", url), base);
  const durationMs = milliseconds(period.attributes.get("duration")) ?? milliseconds(mpd.attributes.get("mediaPresentationDuration"));
  const representationId = representation.attributes.get("id") ?? "";
  const filled = (template: string, values: Readonly<Record<string, number>>): URL =>
    resolved(fill(template, { ...values, Bandwidth: Number(representation.attributes.get("bandwidth") ?? 0) }, representationId), baseUrl);

  const template = merged([period, set, representation], "SegmentTemplate");
  const list = merged([period, set, representation], "SegmentList");
  let init: URL | null = null;
  let segments: DashSegment[];
  if (template) {
    const initialization = template.attributes.get("initialization");
    const media = template.attributes.get("media");
    if (media === undefined) throw invalid("a segment template names no media");
    if (initialization !== undefined) init = filled(initialization, {});
    segments = slotsOf(template, { dynamic, elapsedMs: nowMs - availableFromMs - startMs, durationMs }).map(({ number, time, order }) => ({ order, url: filled(media, { Number: number, Time: time }) }));
  } else if (list) {
    const source = childrenOf(list, "Initialization")[0]?.attributes.get("sourceURL");
    if (source !== undefined) init = resolved(source, baseUrl);
    segments = childrenOf(list, "SegmentURL").map((segment, order) => ({ order, url: resolved(segment.attributes.get("media") ?? "", baseUrl) }));
  } else {
    // One file that holds everything: it begins with its own description.
    segments = [{ order: 0, url: baseUrl }];
  }
  const updateMs = milliseconds(mpd.attributes.get("minimumUpdatePeriod")) ?? 2_000;
  return { ended: !dynamic, reloadMs: Math.min(MAX_RELOAD_MS, Math.max(MIN_RELOAD_MS, updateMs)), representation: `${id}/${representationId}`, init, segments };
}

function currentPeriod(mpd: XmlElement, { dynamic, elapsedMs }: { dynamic: boolean; elapsedMs: number }): { readonly period: XmlElement; readonly startMs: number; readonly id: string } {
  let startMs = 0;
  let found: { readonly period: XmlElement; readonly startMs: number; readonly id: string } | null = null;
  for (const [index, period] of childrenOf(mpd, "Period").entries()) {
    startMs = milliseconds(period.attributes.get("start")) ?? startMs;
    // Of a live presentation the newest that has begun; of a recording the first.
    if (found === null || (dynamic && startMs <= elapsedMs)) found = { period, startMs, id: period.attributes.get("id") ?? String(index) };
    startMs += milliseconds(period.attributes.get("duration")) ?? 0;
  }
  if (!found) throw invalid("it holds no period");
  return found;
}

function chooseRepresentation(period: XmlElement, maxHeightPx: number): { readonly set: XmlElement; readonly representation: XmlElement } {
  const all = childrenOf(period, "AdaptationSet").flatMap((set) => childrenOf(set, "Representation").map((representation) => ({ set, representation })));
  const attribute = ({ set, representation }: (typeof all)[number], name: string): string => representation.attributes.get(name) ?? set.attributes.get(name) ?? "";
  const video = all.filter((each) => attribute(each, "contentType") === "video" || attribute(each, "mimeType").startsWith("video/") || Number(attribute(each, "width")) > 0);
  const fitting = video.filter((each) => Number(attribute(each, "height")) <= maxHeightPx);
  const bandwidth = (each: (typeof all)[number]): number => Number(attribute(each, "bandwidth")) || 0;
  const best = (fitting.length > 0 ? fitting : video).toSorted((a, b) => (fitting.length > 0 ? bandwidth(b) - bandwidth(a) : bandwidth(a) - bandwidth(b)))[0];
  if (!best) throw new TruecastError("no-video", "The DASH presentation holds no video.");
  return best;
}

interface Slot {
  readonly order: number;
  readonly number: number;
  readonly time: number;
}

/** The segments of a template that can be fetched by now; of a live one the last few. */
function slotsOf(template: XmlElement, { dynamic, elapsedMs, durationMs }: { readonly dynamic: boolean; readonly elapsedMs: number; readonly durationMs: number | null }): readonly Slot[] {
  const timescale = positive(template.attributes.get("timescale")) ?? 1;
  const startNumber = Number(template.attributes.get("startNumber") ?? 1) || 0;
  const offset = Number(template.attributes.get("presentationTimeOffset") ?? 0) || 0;
  const timeline = childrenOf(template, "SegmentTimeline")[0];
  if (!timeline) {
    const duration = positive(template.attributes.get("duration"));
    if (duration === null) throw invalid("a segment template has neither duration nor timeline");
    const segmentMs = (duration * 1_000) / timescale;
    const knownMs = dynamic ? elapsedMs : durationMs;
    if (knownMs === null) throw invalid("a recording does not say how long it is");
    const count = Math.max(0, dynamic ? Math.floor(knownMs / segmentMs) : Math.ceil(knownMs / segmentMs));
    const first = dynamic ? Math.max(0, count - LIVE_SEGMENTS) : 0;
    return Array.from({ length: Math.min(MAX_SEGMENTS, count - first) }, (_, i) => ({ order: startNumber + first + i, number: startNumber + first + i, time: offset + (first + i) * duration }));
  }
  const slots: Slot[] = [];
  let time = offset;
  const entries = childrenOf(timeline, "S");
  const untilTime = offset + ((dynamic ? elapsedMs : (durationMs ?? 0)) / 1_000) * timescale;
  for (const [index, entry] of entries.entries()) {
    const duration = positive(entry.attributes.get("d"));
    if (duration === null) throw invalid("an entry of a timeline has no duration");
    time = Number(entry.attributes.get("t") ?? time);
    const declared = Number(entry.attributes.get("r") ?? 0);
    const nextTime = Number(entries[index + 1]?.attributes.get("t") ?? untilTime);
    const repeats = declared >= 0 ? declared : Math.ceil((nextTime - time) / duration) - 1;
    if (!(slots.length + repeats < MAX_SEGMENTS)) throw new TruecastError("playlist-invalid", `The DASH manifest cannot be used: it names more than ${MAX_SEGMENTS} segments.`);
    for (let i = 0; i <= repeats; i++, time += duration) slots.push({ order: time, number: startNumber + slots.length, time });
  }
  return dynamic ? slots.slice(-LIVE_SEGMENTS) : slots;
}

/** An element inherits attributes and children of its name from the levels above it. */
function merged(levels: readonly XmlElement[], name: string): XmlElement | null {
  const found = levels.flatMap((level) => childrenOf(level, name));
  if (found.length === 0) return null;
  const names = new Set(found.flatMap(({ children }) => children.map((child) => child.name)));
  return {
    name,
    attributes: new Map(found.flatMap(({ attributes }) => [...attributes])),
    children: [...names].flatMap((child) => found.findLast((element) => childrenOf(element, child).length > 0)?.children.filter((each) => each.name === child) ?? []),
    text: "",
  };
}

/** $Number$, $Number%05d$, $Time$, $Bandwidth$, $RepresentationID$, $$ */
function fill(template: string, values: Readonly<Record<string, number>>, id: string): string {
  return template.replaceAll(/\$(?:(RepresentationID)|(Number|Time|Bandwidth)(?:%0(\d{1,2})d)?)?\$/g, (whole, isId: string | undefined, name: string | undefined, width: string | undefined) => {
    if (isId !== undefined) return id;
    if (name === undefined) return whole === "$$" ? "$" : whole;
    return String(values[name] ?? 0).padStart(Number(width ?? 0), "0");
  });
}

/** ISO 8601: P1DT2H3M4.5S */
function milliseconds(text: string | undefined): number | null {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? "");
  if (!parts) return null;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = parts.map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000;
}

function positive(text: string | undefined): number | null {
  const value = Number(text);
  return value > 0 && Number.isFinite(value) ? value : null;
}

function resolved(reference: string, base: URL): URL {
  if (!URL.canParse(reference, base)) throw invalid("an address in it is none");
  return new URL(reference, base);
}

function invalid(why: string): TruecastError {
  return new TruecastError("playlist-invalid", `The DASH manifest cannot be used: ${why}.`);
}
