/** Everything publishers reach: the RTMP and RTMPS listeners and, where configured, WHIP, over one register of publishers and one clock. */
import { INGEST_LIMITS, type IngestLimits } from "./limits.ts";
import type { IngestCommand, IngestEvent, IngestInfo, IngestOptions } from "./messages.ts";
import { createPublisherRegister } from "./publisher-register.ts";
import { startRtmpServer } from "./rtmp-server.ts";
import type { WhipServer } from "./whip/whip-server.ts";

export interface IngestServer extends AsyncDisposable {
  readonly info: IngestInfo;
  apply(command: IngestCommand): void;
  close(): Promise<void>;
}

/** A longer gap between two ticks means that this process stood still: silence meanwhile is not the publishers'. */
const MAX_TICK_GAP_MS = 1_000;

/** @throws TruecastError port-in-use, config-invalid */
export async function startIngestServer(options: IngestOptions & { readonly onEvent: (event: IngestEvent) => void }): Promise<IngestServer> {
  const { host = "127.0.0.1", app = "live", onEvent } = options;
  const limits: IngestLimits = { ...INGEST_LIMITS, ...options.limits };
  let clockMs = 0;
  let lastTickMs = performance.now();
  const clock = () => clockMs + Math.min(performance.now() - lastTickMs, MAX_TICK_GAP_MS);
  const register = createPublisherRegister({ streams: options.streams, limits, clock, onEvent });

  const rtmp = await startRtmpServer({
    host,
    port: options.port ?? 1935,
    rtmps: options.rtmps ?? null,
    app,
    limits,
    clock,
    register,
    onCertificate(news) {
      if (news.kind === "refused") onEvent({ type: "certificate-refused", code: news.error.code, message: news.error.message });
      else onEvent({ type: "certificate-loaded", names: news.certificate.names, validUntil: news.certificate.validUntil });
    },
  });
  let whip: WhipServer | null = null;
  try {
    if (options.whip) {
      // Loading werift takes longer than all the rest: RTMP publishers of a restarted process need not wait for it.
      const { startWhipServer } = await import("./whip/whip-server.ts");
      whip = await startWhipServer({ ...options.whip, limits, clock, register });
    }
  } catch (error) {
    await rtmp.close();
    throw error;
  }

  const ticker = setInterval(() => {
    const nowMs = performance.now();
    clockMs += Math.min(nowMs - lastTickMs, MAX_TICK_GAP_MS);
    lastTickMs = nowMs;
    rtmp.tick();
    whip?.tick();
  }, limits.tickMs);
  const reporter = setInterval(() => {
    onEvent({ type: "stats", ...register.takeStats(), connections: rtmp.connections, whip: whip?.stats() ?? null, rssBytes: process.memoryUsage.rss() });
  }, limits.statsIntervalMs);

  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      clearInterval(ticker);
      clearInterval(reporter);
      await whip?.close();
      await rtmp.close();
    })();
    return closing;
  };

  return {
    info: { port: rtmp.port, rtmpsPort: rtmp.rtmpsPort, whip: whip === null ? null : { port: whip.port, udpPort: whip.udpPort } },
    apply: (command) => register.apply(command),
    close,
    [Symbol.asyncDispose]: close,
  };
}
