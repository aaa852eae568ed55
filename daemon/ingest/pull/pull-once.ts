/** One connection to a source, from opening it to its end: bytes through ffmpeg, video tags out, silence watched. */
import type { Writable } from "node:stream";
import { createFlvReader, type FlvTag } from "../../../pipelines/decode/flv-reader.ts";
import { type ErrorCode, TruecastError } from "../../../pipelines/errors.ts";
import { pullArguments, type PullModes, readPullLogLine } from "./pull-arguments.ts";
import { type PullFfmpegExit, startPullFfmpeg } from "./pull-ffmpeg.ts";
import { type InputContext, openInput } from "./pull-input.ts";
import type { SourcePlan } from "./source-plan.ts";

export interface PullOnceOptions {
  readonly plan: SourcePlan;
  /** Without its signal: each connection has its own. */
  readonly context: Omit<InputContext, "signal">;
  readonly transcode: boolean;
  readonly probe: PullModes["probe"];
  readonly onTag: (tag: FlvTag) => void;
  readonly onCodec: (codec: string) => void;
  /** Takes out of a text what must not be shown. */
  readonly withoutSecrets: (text: string) => string;
  /** Ends the connection; its reason tells why. */
  readonly signal: AbortSignal;
}

export interface PullEnd {
  readonly code: ErrorCode;
  readonly message: string;
  /** ffmpeg read something and found no video in it. */
  readonly foundNoVideo?: true;
}

/** Resolves when nothing of the connection is left: no process, no socket, no file. Never rejects. */
export async function pullOnce(options: PullOnceOptions): Promise<PullEnd> {
  const { plan, context, transcode, probe } = options;
  const { connectTimeoutMs, readTimeoutMs, maxPacketBytes, termGraceMs } = context.limits;
  const own = new AbortController();
  const signal = AbortSignal.any([options.signal, own.signal]);
  let lastError: string | null = null;
  let sawVideo = false;
  let sawCodec = false;
  let watch: NodeJS.Timeout | undefined;
  /** The first reason is the true one; what follows from it is noise. */
  const fail = (error: TruecastError): void => own.abort(error);
  const expectVideo = (timeoutMs: number): void => {
    clearTimeout(watch);
    watch = setTimeout(() => fail(new TruecastError("unreachable", `${sawVideo ? "The source sent no video" : "The source gave no video"} for ${timeoutMs / 1000} s.`)), timeoutMs);
  };
  expectVideo(connectTimeoutMs);

  let opened: Awaited<ReturnType<typeof openInput>> | null = null;
  let exit: PullFfmpegExit | null = null;
  let fed: Promise<void> = Promise.resolve();
  try {
    opened = await openInput(plan, { ...context, signal });
    signal.throwIfAborted();
    const reader = createFlvReader({ maxTagBytes: maxPacketBytes });
    const ffmpeg = startPullFfmpeg({
      arguments: pullArguments(opened.input, { transcode, probe, readTimeoutMs }),
      feedsStdin: opened.bytes !== null,
      file: opened.file?.fd ?? null,
      termGraceMs,
      onOutput(chunk) {
        if (signal.aborted) return;
        try {
          for (const tag of reader.push(chunk)) {
            if (tag.kind === "other") continue;
            sawVideo = true;
            expectVideo(readTimeoutMs);
            options.onTag(tag);
          }
        } catch (error) {
          fail(error instanceof TruecastError ? error : new TruecastError("internal", "A defect while the source's video was read.", { cause: error }));
        }
      },
      onLogLine(line) {
        const entry = readPullLogLine(line);
        // The first is the one that is mapped; what follows are other programmes and the output.
        if (entry?.kind === "codec" && !sawCodec) {
          sawCodec = true;
          options.onCodec(entry.codec);
        }
        if (entry?.kind === "error") lastError = options.withoutSecrets(entry.message).slice(0, 200);
      },
    });
    const stop = (): void => void ffmpeg.stop();
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    if (opened.bytes !== null && ffmpeg.stdin !== null) fed = feed(opened.bytes, ffmpeg.stdin, { signal, fail });
    exit = await ffmpeg.exited;
    if (exit.error) throw exit.error;
    // A feed or relay that broke off says why; ffmpeg only saw its input end.
    await Promise.race([fed, new Promise((resolve) => setImmediate(resolve))]);
    signal.throwIfAborted();
    if (opened.relay?.objection) throw opened.relay.objection;
    return ending(exit, { sawVideo, lastError });
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    return reason instanceof TruecastError ? { code: reason.code, message: reason.message } : { code: "internal", message: `A defect while the source was pulled (${reason instanceof Error ? reason.name : "no error"}).` };
  } finally {
    clearTimeout(watch);
    own.abort(new TruecastError("source-ended", "The connection is over."));
    await fed;
    await Promise.all([opened?.relay?.close(), opened?.file?.close()]);
  }
}

/** Waits for ffmpeg, which may read at the pace of the media; ends its input when the source ends. Never rejects. */
async function feed(bytes: AsyncIterable<Uint8Array>, stdin: Writable, { signal, fail }: { readonly signal: AbortSignal; readonly fail: (error: TruecastError) => void }): Promise<void> {
  try {
    for await (const chunk of bytes) {
      if (signal.aborted || stdin.destroyed) return;
      if (!stdin.write(chunk)) await writable(stdin, signal);
    }
    stdin.end();
  } catch (error) {
    if (!signal.aborted) fail(error instanceof TruecastError ? error : new TruecastError("internal", "A defect while the source was fetched.", { cause: error }));
  }
}

/** Resolves when more can be written, or never will be. */
async function writable(stdin: Writable, signal: AbortSignal): Promise<void> {
  const either = Promise.withResolvers<void>();
  const resolve = (): void => either.resolve();
  stdin.once("drain", resolve).once("close", resolve);
  signal.addEventListener("abort", resolve);
  if (signal.aborted || stdin.destroyed) resolve();
  await either.promise;
  stdin.off("drain", resolve).off("close", resolve);
  signal.removeEventListener("abort", resolve);
}

/** ffmpeg's exit code says little: 0 for many broken inputs. */
function ending(exit: PullFfmpegExit, { sawVideo, lastError }: { readonly sawVideo: boolean; readonly lastError: string | null }): PullEnd {
  const cause = lastError === null ? "" : ` (${lastError})`;
  if (exit.signal !== null) return { code: "decoder-exited", message: `ffmpeg was ended by ${exit.signal}.` };
  if (sawVideo) return { code: "source-ended", message: `The source ended${exit.code === 0 ? "" : cause}.` };
  return { code: exit.code === 0 ? "input-not-media" : "unreachable", message: `The source gave no video${cause}.`, foundNoVideo: true };
}
