/** Follows a DASH manifest and gives the segments of one video representation as one stream of bytes, all fetched through the guard. */
import { setTimeout as delay } from "node:timers/promises";
import { MAX_FRAME_HEIGHT_PX } from "../../../pipelines/decode/ffmpeg-arguments.ts";
import { TruecastError } from "../../../pipelines/errors.ts";
import { bodyChunks, readBody } from "../../outbound/guarded-http.ts";
import { type Feed, type FeedContext, fetchOk } from "./feed.ts";
import { type DashPresentation, parseMpd } from "./mpd.ts";

/** How many of the newest segments of a live presentation are played at the start. */
const SEGMENTS_BEHIND_EDGE = 3;

/** @throws TruecastError address-refused, unreachable, playlist-invalid, codec-unsupported, source-ended */
export async function openDashFeed(url: URL, context: FeedContext): Promise<Feed> {
  const first = await fetchManifest(url, context);
  if (first.ended && !context.playRecordings) throw new TruecastError("source-ended", "The live presentation has ended.");
  return { format: "mov", pace: "bursts", bytes: segmentBytes(url, first, context) };
}

async function* segmentBytes(url: URL, first: DashPresentation, context: FeedContext): AsyncGenerator<Uint8Array, void, undefined> {
  let presentation = first;
  let last = presentation.ended ? Number.NEGATIVE_INFINITY : (presentation.segments.at(-SEGMENTS_BEHIND_EDGE - 1)?.order ?? Number.NEGATIVE_INFINITY);
  if (first.init !== null) yield* fetched(first.init, "an initialisation segment", context);
  while (true) {
    for (const segment of presentation.segments) {
      if (segment.order <= last) continue;
      yield* fetched(segment.url, "a segment", context);
      last = segment.order;
    }
    if (presentation.ended) return;
    await delay(presentation.reloadMs, undefined, { signal: context.signal });
    presentation = await fetchManifest(url, context);
    // The demuxer that runs has read its description of the tracks.
    if (presentation.representation !== first.representation) throw new TruecastError("source-ended", "The presentation goes over to another period or representation.");
  }
}

async function fetchManifest(url: URL, { http, signal, limits }: FeedContext): Promise<DashPresentation> {
  const response = await fetchOk(http, { url, signal, what: "the manifest" });
  const text = await readBody(response, { maxBytes: limits.maxPlaylistBytes, what: "The manifest" });
  return parseMpd(text.toString("utf8"), response.url, { nowMs: Date.now(), maxHeightPx: MAX_FRAME_HEIGHT_PX });
}

async function* fetched(url: URL, what: string, { http, signal, limits }: FeedContext): AsyncGenerator<Uint8Array, void, undefined> {
  const response = await fetchOk(http, { url, signal, what });
  yield* bodyChunks(response, { maxBytes: limits.maxSegmentBytes, what: "A segment" });
}
