/** Live FLV in, ten frames a second out, from an ffmpeg that is watched, restarted and refilled for as long as the stream lives. */
import type { Readable } from "node:stream";
import type { Logger } from "pino";
import { TruecastError } from "../errors.ts";
import type { Frame, LossReason } from "../types.ts";
import type { DecoderCounters, DecoderEvent, DecoderState, RestartCause } from "./decoder-events.ts";
import { type DecoderRun, type RunFrame, startDecoderRun } from "./decoder-run.ts";
import type { FfmpegExit } from "./ffmpeg-process.ts";
import { createSlotGate } from "./media-clock.ts";
import type { ClockedPacket, VideoHeader } from "./packet-history.ts";
import { type IntakeItem, createPacketIntake } from "./packet-intake.ts";
import { type RestartPolicyOptions, createRestartPolicy } from "./restart-policy.ts";
import { createStallWatch } from "./stall-watch.ts";

export interface LiveDecoderOptions {
  /** Takes a frame at once and never blocks: the decoder does not wait. The frame is the caller's from here on. */
  readonly onFrame: (frame: Frame) => void;
  readonly onEvent: (event: DecoderEvent) => void;
  /** Every packet of the stream as it came, on the stream's clock, with the header that it needs; whatever the decoder does with it. */
  readonly onPacket?: (packet: ClockedPacket, header: VideoHeader) => void;
  readonly log: Logger;
  /** Input without a frame for this long is a stall. */
  readonly stallTimeoutMs?: number;
  /** The same for the first frame of an ffmpeg that has just started. */
  readonly firstFrameTimeoutMs?: number;
  /** From SIGTERM to SIGKILL. */
  readonly termGraceMs?: number;
  readonly restarts?: RestartPolicyOptions;
  /** Packets since the last keyframe kept for a restart. */
  readonly maxHistoryBytes?: number;
  /** Packets that may wait for a decoder that does not take them. */
  readonly maxBacklogBytes?: number;
  /** How far frames may lie behind the packets while such packets wait; bounds the latency of an overloaded machine. */
  readonly maxBacklogMs?: number;
  readonly maxTagBytes?: number;
}

export interface LiveDecoder extends AsyncDisposable {
  readonly state: DecoderState;
  readonly counters: DecoderCounters;
  /** Of the current ffmpeg, if one runs. */
  readonly pid: number | null;
  /** FLV bytes of the current publisher, cut anywhere; the first ones since `detach()` begin with the FLV header. */
  write(flvBytes: Uint8Array): void;
  /** Reads a publisher's FLV from a stream until it ends, fails or another is attached. */
  attach(flv: Readable): void;
  /** The publisher is gone. What is in the decoder still comes out; the media clock goes on with the next publisher. */
  detach(): void;
  /** Resolves when no child process is left. */
  close(): Promise<void>;
}

const CHECK_EVERY_MS = 250;
const ERROR_REPORT_EVERY_MS = 1000;

export function startLiveDecoder(options: LiveDecoderOptions, signal?: AbortSignal): LiveDecoder {
  const { log, onEvent, termGraceMs = 1000, maxBacklogBytes = 4 * 1024 * 1024, maxBacklogMs = 5000 } = options;
  const intake = createPacketIntake({
    maxHistoryBytes: options.maxHistoryBytes ?? 16 * 1024 * 1024,
    ...(options.maxTagBytes === undefined ? {} : { maxTagBytes: options.maxTagBytes }),
  });
  const { history } = intake;
  const gate = createSlotGate();
  const policy = createRestartPolicy(options.restarts);
  const watch = createStallWatch({ timeoutMs: options.stallTimeoutMs ?? 3000, firstFrameTimeoutMs: options.firstFrameTimeoutMs ?? 5000, checkEveryMs: CHECK_EVERY_MS });
  const counters = { framesDelivered: 0, restarts: 0, decodeErrors: 0, discontinuities: 0, packetsDropped: 0 };
  /** Runs that are to end, until they have. */
  const ending = new Set<Promise<unknown>>();

  let state: DecoderState = { kind: "idle" };
  let publishing = false;
  let attached: Readable | null = null;
  let run: DecoderRun | null = null;
  let draining: DecoderRun | null = null;
  /** Since the current run began: it was refilled up to `resumeAtMs`, and whether it delivered anything past it. */
  let resumeAtMs: number | null = null;
  let runDelivered = false;
  /** Non-null while a restart waits for its turn. */
  let restartTurn: { timer: NodeJS.Timeout | null } | null = null;
  let loss: LossReason | null = null;
  let frameSize = { widthPx: 0, heightPx: 0 };
  let unreportedErrors = 0;
  let errorReport: NodeJS.Timeout | null = null;
  let closing: Promise<void> | null = null;

  function enter(next: DecoderState): void {
    if (state.kind === "closed" || (state.kind === next.kind && next.kind !== "refused")) return;
    state = next;
    onEvent({ kind: "state", state });
  }

  function takeItem(item: IntakeItem): void {
    switch (item.kind) {
      case "header":
        if (state.kind === "refused") enter({ kind: "idle" });
        onEvent({ kind: "source-format", codec: item.header.codec, widthPx: item.widthPx, heightPx: item.heightPx });
        if (run !== null && run.codec !== item.header.codec) endRun();
        else run?.feedHeader(item.header.payload);
        return;
      case "refused":
        endRun();
        enter({ kind: "refused", code: item.error.code });
        onEvent({ kind: "refused", error: item.error });
        return;
      case "packet":
        if (item.discontinuity !== null) {
          counters.discontinuities++;
          onEvent({ kind: "discontinuity", cause: item.discontinuity });
        }
        if (history.header !== null) options.onPacket?.(item.packet, history.header);
        takePacket(item.packet);
    }
  }

  function takePacket(packet: ClockedPacket): void {
    if (run !== null && packet.kind === "keyframe" && run.isSpent(packet.clockMs)) endRun();
    if (run === null) {
      startRun();
      return;
    }
    // A decoder that takes nothing more owes frames all the same.
    watch.fed(performance.now());
    if (!run.feed(packet)) {
      counters.packetsDropped++;
      loss ??= "ingest-backlog";
    }
  }

  /** Starts ffmpeg if nothing stands against it and there is a keyframe to begin with. */
  function startRun(): void {
    if (run !== null || restartTurn !== null || history.header === null || history.packets.length === 0 || closing !== null) return;
    if (draining !== null) void settle(draining.stop({ termGraceMs }));
    draining = null;
    const recovering = state.kind === "recovering";
    if (!recovering) enter({ kind: "starting" });
    resumeAtMs = recovering ? intake.newestMs : null;
    runDelivered = false;
    watch.reset();
    const started = startDecoderRun({
      header: history.header,
      packets: history.packets,
      resumeAtMs,
      maxBacklogBytes,
      maxBacklogMs,
      onFrame: (frame) => takeFrame(started, frame),
      onDecodeError: takeDecodeError,
    });
    run = started;
    for (let i = 0; i < history.packets.length; i++) watch.fed(performance.now());
    void started.exited.then((exit) => {
      if (started === run) recover("exited", exit.error ?? new TruecastError("decoder-exited", `ffmpeg ended by itself (${exitText(exit)}).`));
    });
  }

  function takeFrame(from: DecoderRun, frame: RunFrame): void {
    if (from !== run && from !== draining) return;
    const decodedAtMs = performance.now();
    if (from === run) watch.delivered();
    if (from === run && resumeAtMs !== null && frame.ptsMs < resumeAtMs) return;
    const slot = gate.admit(frame.ptsMs);
    if (slot.kind === "same-slot") {
      onEvent({ kind: "frames-discarded", reason: "same-slot", count: 1 });
      return;
    }
    if (from === run) {
      runDelivered = true;
      policy.delivered(decodedAtMs);
      if (state.kind === "recovering") onEvent({ kind: "recovered", cause: state.cause, downMs: decodedAtMs - state.sinceMs });
      enter({ kind: "decoding" });
    }
    if (loss !== null && slot.skippedSlots > 0) onEvent({ kind: "frames-lost", reason: loss, count: slot.skippedSlots });
    loss = null;
    const { ptsMs, widthPx, heightPx, rgb } = frame;
    if (widthPx !== frameSize.widthPx || heightPx !== frameSize.heightPx) {
      frameSize = { widthPx, heightPx };
      onEvent({ kind: "frame-size", widthPx, heightPx });
    }
    counters.framesDelivered++;
    options.onFrame({ ptsMs, widthPx, heightPx, rgb, decodedAtMs });
  }

  function takeDecodeError(message: string): void {
    counters.decodeErrors++;
    unreportedErrors++;
    loss ??= "corrupt";
    if (errorReport !== null) return;
    log.debug({ message }, "ffmpeg reports a decode error");
    errorReport = setTimeout(reportDecodeErrors, ERROR_REPORT_EVERY_MS);
  }

  function reportDecodeErrors(): void {
    if (errorReport !== null) clearTimeout(errorReport);
    errorReport = null;
    if (unreportedErrors > 0) onEvent({ kind: "decode-errors", count: unreportedErrors });
    unreportedErrors = 0;
  }

  /** The current run is stalled or gone: sees to its end, waits as long as the policy says, starts the next. */
  function recover(cause: RestartCause, error: TruecastError): void {
    const failed = run;
    if (failed === null) return;
    run = null;
    loss = "decoder-restart";
    counters.restarts++;
    // A refilled decoder that fails again may be failing on what it was refilled with.
    if (resumeAtMs !== null && !runDelivered) history.dropPackets();
    const nowMs = performance.now();
    const sinceMs = state.kind === "recovering" ? state.sinceMs : nowMs;
    const decision = policy.ended(nowMs);
    const waitMs = decision.kind === "storm" ? decision.waitMs : decision.delayMs;
    if (decision.kind === "storm") {
      enter({ kind: "storm", cause, sinceMs, retryAtMs: nowMs + waitMs });
      onEvent({ kind: "storm", waitMs, restarts: decision.restarts, error: new TruecastError("decoder-storm", `The decoder was restarted ${decision.restarts} times; the next try is in ${waitMs / 1000} s.`, { cause: error }) });
    } else {
      enter({ kind: "recovering", cause, sinceMs });
      onEvent({ kind: "restart", cause, delayMs: waitMs, error });
    }
    const turn: { timer: NodeJS.Timeout | null } = { timer: null };
    restartTurn = turn;
    const stopped = settle(failed.stop({ termGraceMs }));
    // A frozen ffmpeg takes a second to be rid of, in which the next can already start; but never a third beside them.
    const turnFree = waitMs === 0 && ending.size === 1 ? Promise.resolve() : stopped;
    void turnFree.then(() => {
      if (restartTurn !== turn) return;
      turn.timer = setTimeout(() => {
        restartTurn = null;
        if (state.kind === "storm") enter({ kind: "recovering", cause, sinceMs });
        startRun();
      }, waitMs);
    });
  }

  /** Ends the current run on purpose, and any restart that waits. */
  function endRun(how: "stop" | "finish" = "stop"): void {
    if (restartTurn?.timer) clearTimeout(restartTurn.timer);
    restartTurn = null;
    const ended = run;
    run = null;
    if (ended === null) return;
    if (how === "stop") {
      void settle(ended.stop({ termGraceMs }));
      return;
    }
    draining = ended;
    void settle(ended.finish()).then(() => {
      if (draining === ended) draining = null;
    });
  }

  async function settle(end: Promise<FfmpegExit>): Promise<void> {
    ending.add(end);
    const exit = await end;
    ending.delete(end);
    if (exit.error !== null) log.error({ err: exit.error }, "ffmpeg did not run or did not end");
  }

  const checks = setInterval(() => {
    if (!watch.isStalled(performance.now()) || run === null) return;
    recover("stalled", new TruecastError("decoder-stalled", "ffmpeg takes input but delivers no frame."));
  }, CHECK_EVERY_MS);
  checks.unref();

  function write(flvBytes: Uint8Array): void {
    if (closing !== null) return;
    publishing = true;
    for (const item of intake.push(flvBytes)) takeItem(item);
  }

  function detach(): void {
    attached = null;
    if (!publishing) return;
    publishing = false;
    loss = null;
    intake.endPublisher();
    endRun("finish");
    enter({ kind: "idle" });
  }

  async function closeAll(): Promise<void> {
    signal?.removeEventListener("abort", abort);
    clearInterval(checks);
    attached = null;
    const stillDraining = draining;
    endRun();
    if (stillDraining !== null) void settle(stillDraining.stop({ termGraceMs }));
    draining = null;
    await Promise.all(ending);
    reportDecodeErrors();
    history.clear();
    enter({ kind: "closed" });
  }

  const decoder: LiveDecoder = {
    get state() {
      return state;
    },
    get counters() {
      return { ...counters, packetsIgnored: intake.packetsIgnored };
    },
    get pid() {
      return run?.pid ?? null;
    },
    write,
    attach(flv) {
      detach();
      attached = flv;
      const whileAttached = (act: () => void) => () => {
        if (attached === flv) act();
      };
      flv.on("data", (chunk: Uint8Array) => {
        if (attached === flv) write(chunk);
      });
      flv.once("end", whileAttached(detach));
      flv.once("close", whileAttached(detach));
      flv.on("error", (error: Error) => {
        log.debug({ err: error }, "the publisher's stream failed");
        whileAttached(detach)();
      });
    },
    detach,
    close: () => (closing ??= closeAll()),
    [Symbol.asyncDispose]: () => decoder.close(),
  };
  const abort = () => void decoder.close();
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted === true) abort();
  return decoder;
}

function exitText(exit: FfmpegExit): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}
