/** HLS playlists (RFC 8216) to what has to be fetched, bounded by the size of the text. Pure; addresses are judged by whoever fetches them. */
import { TruecastError } from "../../../pipelines/errors.ts";

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface HlsKey {
  readonly url: URL;
  /** 16 bytes; null: the media sequence number is it (section 5.2). */
  readonly iv: Buffer | null;
}

export interface HlsMap {
  readonly url: URL;
  readonly range: ByteRange | null;
}

export interface HlsSegment {
  readonly sequence: number;
  readonly url: URL;
  readonly range: ByteRange | null;
  readonly key: HlsKey | null;
  readonly map: HlsMap | null;
}

export interface HlsVariant {
  readonly url: URL;
  readonly bandwidth: number;
  readonly heightPx: number | null;
}

export type HlsPlaylist =
  | { readonly kind: "master"; readonly variants: readonly HlsVariant[] }
  | { readonly kind: "media"; readonly targetDurationMs: number; readonly ended: boolean; readonly segments: readonly HlsSegment[] };

/** @throws TruecastError playlist-invalid, codec-unsupported */
export function parseM3u8(text: string, base: URL): HlsPlaylist {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/).map((line) => line.trim());
  if (lines[0] !== "#EXTM3U") throw invalid("it does not begin with #EXTM3U");
  const variants: HlsVariant[] = [];
  const segments: HlsSegment[] = [];
  let variant: ReadonlyMap<string, string> | null = null;
  let targetDurationMs: number | null = null;
  let sequence = 0;
  let ended = false;
  let duration = false;
  let pendingRange: string | null = null;
  let key: HlsKey | null = null;
  let map: HlsMap | null = null;
  /** Where a byte range without an offset goes on. */
  let rangeEnd = { url: "", offset: 0 };

  for (const line of lines.slice(1)) {
    if (line === "") continue;
    if (!line.startsWith("#")) {
      const url = resolved(line, base);
      if (variant !== null) {
        variants.push({ url, bandwidth: Number(variant.get("BANDWIDTH") ?? 0) || 0, heightPx: Number(/x(\d+)$/i.exec(variant.get("RESOLUTION") ?? "")?.[1] ?? 0) || null });
        variant = null;
      } else if (duration) {
        const range = pendingRange === null ? null : byteRange(pendingRange, rangeEnd.url === url.href ? rangeEnd.offset : 0);
        if (range !== null) rangeEnd = { url: url.href, offset: range.offset + range.length };
        segments.push({ sequence: sequence + segments.length, url, range, key, map });
        duration = false;
        pendingRange = null;
      }
      continue;
    }
    const [, tag = "", value = ""] = /^#([A-Z0-9-]+)(?::(.*))?$/.exec(line) ?? [];
    switch (tag) {
      case "EXT-X-STREAM-INF":
        variant = attributes(value);
        break;
      case "EXT-X-TARGETDURATION":
        targetDurationMs = Math.min(60, Math.max(1, Number(value) || 1)) * 1_000;
        break;
      case "EXT-X-MEDIA-SEQUENCE":
        sequence = wholeNumber(value);
        break;
      case "EXT-X-ENDLIST":
        ended = true;
        break;
      case "EXTINF":
        duration = true;
        break;
      case "EXT-X-BYTERANGE":
        pendingRange = value;
        break;
      case "EXT-X-KEY":
        key = keyOf(attributes(value), base);
        break;
      case "EXT-X-MAP": {
        const found = attributes(value);
        const range = found.get("BYTERANGE");
        map = { url: resolved(found.get("URI") ?? "", base), range: range === undefined ? null : byteRange(range, 0) };
        break;
      }
    }
  }
  if (variants.length > 0) return { kind: "master", variants };
  if (targetDurationMs === null) throw invalid("it holds neither variants nor a target duration");
  return { kind: "media", targetDurationMs, ended, segments };
}

/** The best picture that is not larger than what is analysed; the smallest where all are larger. */
export function chooseVariant(variants: readonly HlsVariant[], maxHeightPx: number): HlsVariant {
  const fitting = variants.filter(({ heightPx }) => heightPx === null || heightPx <= maxHeightPx);
  const best = (fitting.length > 0 ? fitting : variants).toSorted((a, b) => (fitting.length > 0 ? b.bandwidth - a.bandwidth : a.bandwidth - b.bandwidth))[0];
  if (!best) throw invalid("it names no variant");
  return best;
}

function keyOf(found: ReadonlyMap<string, string>, base: URL): HlsKey | null {
  const method = found.get("METHOD");
  if (method === "NONE") return null;
  if (method !== "AES-128") throw new TruecastError("codec-unsupported", "The playlist's media is encrypted in a way other than AES-128.");
  const iv = /^0x([0-9a-f]{1,32})$/i.exec(found.get("IV") ?? "")?.[1];
  return { url: resolved(found.get("URI") ?? "", base), iv: iv === undefined ? null : Buffer.from(iv.padStart(32, "0"), "hex") };
}

/** NAME=value,NAME="quoted, value" */
function attributes(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g)].map(([, name = "", quoted, plain]) => [name, quoted ?? plain ?? ""]));
}

function byteRange(text: string, defaultOffset: number): ByteRange {
  const [length = "", offset] = text.split("@");
  return { length: wholeNumber(length), offset: offset === undefined ? defaultOffset : wholeNumber(offset) };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw invalid("a number in it is none");
  return value;
}

function resolved(reference: string, base: URL): URL {
  if (reference === "" || !URL.canParse(reference, base)) throw invalid("an address in it is none");
  return new URL(reference, base);
}

function invalid(why: string): TruecastError {
  return new TruecastError("playlist-invalid", `The HLS playlist cannot be used: ${why}.`);
}
