/** Bytes of a source that this process fetches itself; ffmpeg gets them on its standard input and opens nothing. */
import type { GuardedHttp, GuardedResponse } from "../../outbound/guarded-http.ts";
import { bodyChunks } from "../../outbound/guarded-http.ts";
import type { OutboundGuard } from "../../outbound/outbound-guard.ts";
import { TruecastError } from "../../../pipelines/errors.ts";
import type { PullLimits } from "./limits.ts";
import type { ByteRange } from "./m3u8.ts";

export interface Feed {
  /** ffmpeg's name of the format. */
  readonly format: "flv" | "mpegts" | "mov";
  /** `bursts`: comes in pieces of several seconds and must be read at the pace of its timestamps. */
  readonly pace: "live" | "bursts";
  /** Ends when the source does. @throws TruecastError saying why it broke off */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface FeedContext {
  readonly http: GuardedHttp;
  readonly guard: OutboundGuard;
  readonly limits: PullLimits;
  readonly signal: AbortSignal;
  /** Play a recording from its start; false on a reconnection, when what was live is over. */
  readonly playRecordings: boolean;
}

/** @throws TruecastError address-refused, unreachable */
export async function openHttpFeed(url: URL, format: "flv" | "mpegts", { http, signal }: FeedContext): Promise<Feed> {
  const response = await fetchOk(http, { url, signal, what: "the stream" });
  return { format, pace: "live", bytes: bodyChunks(response, { maxBytes: Number.POSITIVE_INFINITY, what: "The stream" }) };
}

/** @throws TruecastError address-refused, unreachable */
export async function fetchOk(http: GuardedHttp, asked: { readonly url: URL; readonly signal: AbortSignal; readonly what: string; readonly range?: ByteRange | null }): Promise<GuardedResponse> {
  const { url, signal, what, range = null } = asked;
  const response = await http.request({ url, signal, ...(range === null ? {} : { headers: { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } }) });
  if (response.status === (range === null ? 200 : 206)) return response;
  response.body.destroy();
  throw new TruecastError("unreachable", `${response.url.host} answered ${response.status} for ${what}.`);
}
