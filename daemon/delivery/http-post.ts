/** One POST to a receiver, and what its answer means. */
import { errorCodeOf, TruecastError } from "../../pipelines/errors.ts";
import { type GuardedHttp, readBody } from "../outbound/guarded-http.ts";
import type { Outcome } from "./receiver.ts";
import { retryAfterMs } from "./retry.ts";

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** What is read of an answer, so that its connection can be used again; the rest is cut off with the connection. */
const MAX_ANSWER_BYTES = 16_384;

export async function post(http: GuardedHttp, { url, headers, body, signal, nowMs }: Post): Promise<Outcome> {
  try {
    const response = await http.request({ url, method: "POST", headers, body, signal });
    const { status } = response;
    const [retryAfter] = [response.headers["retry-after"]].flat();
    if (status >= 200 && status < 300) {
      await readBody(response, { maxBytes: MAX_ANSWER_BYTES, what: "The answer" }).catch(ignoreBrokenAnswer);
      return { kind: "delivered" };
    }
    response.body.destroy();
    const message = `${url.host} answered ${status}`;
    if (status === 410) return { kind: "gone", message };
    return { kind: "failed", code: "delivery-failed", message: status >= 300 && status < 400 ? `${message}; redirects are not followed` : message, retryAfterMs: retryAfterMs(retryAfter, nowMs) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TruecastError)) throw error;
    return { kind: "failed", code: errorCodeOf(error), message: error.message, retryAfterMs: null };
  }
}

/** The status said that it was taken; how the rest of the answer ends changes nothing. */
function ignoreBrokenAnswer(error: unknown): void {
  if (!(error instanceof TruecastError)) throw error;
}

/** Scheme, host and port: what may be shown of a receiver's URL. */
export function shownAddress(url: URL): string {
  return `${url.protocol}//${url.host}`;
}
