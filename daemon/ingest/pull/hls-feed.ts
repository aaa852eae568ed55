/** Follows an HLS playlist and gives its segments as one stream of bytes: every address in it is fetched through the guard, by us. */
import { createDecipheriv } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { bodyChunks, readBody } from "../../outbound/guarded-http.ts";
import { TruecastError } from "../../../pipelines/errors.ts";
import { MAX_FRAME_HEIGHT_PX } from "../../../pipelines/decode/ffmpeg-arguments.ts";
import { type Feed, type FeedContext, fetchOk } from "./feed.ts";
import { chooseVariant, type HlsKey, type HlsMap, type HlsPlaylist, type HlsSegment, parseM3u8 } from "./m3u8.ts";

type MediaPlaylist = Extract<HlsPlaylist, { kind: "media" }>;

/** How far from the live edge playing begins (RFC 8216 section 6.3.3). */
const SEGMENTS_BEHIND_EDGE = 3;
const KEY_BYTES = 16;

/** @throws TruecastError address-refused, unreachable, playlist-invalid, codec-unsupported, source-ended */
export async function openHlsFeed(url: URL, context: FeedContext): Promise<Feed> {
  const first = await fetchPlaylist(url, context);
  let mediaUrl = first.url;
  let playlist = first.playlist;
  if (playlist.kind === "master") {
    const chosen = await fetchPlaylist(chooseVariant(playlist.variants, MAX_FRAME_HEIGHT_PX).url, context);
    mediaUrl = chosen.url;
    playlist = chosen.playlist;
  }
  if (playlist.kind === "master") throw new TruecastError("playlist-invalid", "A variant of the HLS playlist is itself a list of variants.");
  if (playlist.ended && !context.playRecordings) throw new TruecastError("source-ended", "The live playlist has ended.");
  return { format: playlist.segments.some(({ map }) => map !== null) ? "mov" : "mpegts", pace: "bursts", bytes: segmentBytes(mediaUrl, playlist, context) };
}

async function* segmentBytes(url: URL, first: MediaPlaylist, context: FeedContext): AsyncGenerator<Uint8Array, void, undefined> {
  let playlist = first;
  const start = playlist.ended ? 0 : Math.max(0, playlist.segments.length - SEGMENTS_BEHIND_EDGE);
  let next = playlist.segments[start]?.sequence ?? 0;
  let map: HlsMap | null = null;
  while (true) {
    const due = playlist.segments.filter(({ sequence }) => sequence >= next);
    for (const segment of due) {
      if (segment.map !== null && segment.map.url.href !== map?.url.href) {
        // The tracks are described anew; the demuxer that runs has read its description.
        if (map !== null) throw new TruecastError("source-ended", "The playlist goes over to another initialisation segment.");
        map = segment.map;
        yield* fetched({ url: map.url, range: map.range, key: null, sequence: 0 }, context);
      }
      yield* fetched(segment, context);
      next = segment.sequence + 1;
    }
    if (playlist.ended) return;
    // Section 6.3.4: a playlist that has not changed is asked for after half the time.
    await delay(due.length > 0 ? playlist.targetDurationMs : playlist.targetDurationMs / 2, undefined, { signal: context.signal });
    const reloaded = (await fetchPlaylist(url, context)).playlist;
    if (reloaded.kind !== "media") throw new TruecastError("playlist-invalid", "The HLS playlist turned into a list of variants.");
    playlist = reloaded;
    const newest = playlist.segments.at(-1)?.sequence ?? next;
    // A server that was restarted counts from the beginning again.
    if (newest + 1 < next) next = playlist.segments[Math.max(0, playlist.segments.length - SEGMENTS_BEHIND_EDGE)]?.sequence ?? 0;
  }
}

async function fetchPlaylist(url: URL, { http, signal, limits }: FeedContext): Promise<{ readonly url: URL; readonly playlist: HlsPlaylist }> {
  const response = await fetchOk(http, { url, signal, what: "the playlist" });
  const text = await readBody(response, { maxBytes: limits.maxPlaylistBytes, what: "The playlist" });
  return { url: response.url, playlist: parseM3u8(text.toString("utf8"), response.url) };
}

async function* fetched(segment: Pick<HlsSegment, "url" | "range" | "key" | "sequence">, context: FeedContext): AsyncGenerator<Uint8Array, void, undefined> {
  const { http, signal, limits } = context;
  // The key first: while it is fetched no segment waits half read.
  const decipher = segment.key === null ? null : createDecipheriv("aes-128-cbc", await fetchKey(segment.key, context), segment.key.iv ?? sequenceIv(segment.sequence));
  const response = await fetchOk(http, { url: segment.url, signal, what: "a segment", range: segment.range });
  const chunks = bodyChunks(response, { maxBytes: limits.maxSegmentBytes, what: "A segment" });
  if (decipher === null) {
    yield* chunks;
    return;
  }
  try {
    for await (const chunk of chunks) yield decipher.update(chunk);
    yield decipher.final();
  } catch (error) {
    if (error instanceof TruecastError || signal.aborted) throw error;
    throw new TruecastError("playlist-invalid", "A segment cannot be decrypted with its key.", { cause: error });
  }
}

async function fetchKey(key: HlsKey, { http, signal }: FeedContext): Promise<Buffer> {
  const bytes = await readBody(await fetchOk(http, { url: key.url, signal, what: "a key" }), { maxBytes: KEY_BYTES, what: "A key" });
  if (bytes.length !== KEY_BYTES) throw new TruecastError("playlist-invalid", "A key of the playlist does not have 16 bytes.");
  return bytes;
}

function sequenceIv(sequence: number): Buffer {
  const iv = Buffer.alloc(KEY_BYTES);
  iv.writeBigUInt64BE(BigInt(sequence), 8);
  return iv;
}
