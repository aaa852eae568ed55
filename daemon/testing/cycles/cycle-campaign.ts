/** Publishers that come and go, thousands of them on one daemon, and what is left of them: nothing. */
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { commandMessage } from "../../ingest/testing/rtmp-client.ts";
import { makeOffer, whipClient } from "../../ingest/whip/testing/offer.ts";
import { startWhipPeer } from "../../ingest/whip/testing/whip-peer.ts";
import { AVC_FRAMES, AVC_HEADER, publishing, serialize } from "../fuzz/rtmp-corpus.ts";
import { type Random, createRandom } from "../seeded-random.ts";
import { type Figures, type WatchedDaemon, startWatchedDaemon } from "../watched-daemon.ts";

export interface CycleOptions {
  readonly count: number;
  readonly seed: number;
  readonly onProgress?: (progress: { readonly cycles: number; readonly seconds: number }) => void;
  readonly signal?: AbortSignal;
}

export interface CycleReport {
  readonly cycles: number;
  readonly seconds: number;
  readonly byKind: ReadonlyMap<string, number>;
  readonly before: Figures;
  readonly after: Figures;
  /** The stream beside them. */
  readonly witness: { readonly mostLostSeconds: number; readonly mostLostFrames: number; readonly longestStandstillSeconds: number };
  readonly wrongs: readonly string[];
}

interface Stream {
  readonly name: string;
  readonly key: string;
}

interface Kind {
  readonly name: string;
  /** Of a hundred. */
  readonly share: number;
  run(place: { readonly ports: WatchedDaemon["ports"]; readonly stream: Stream; readonly random: Random }): Promise<void>;
}

/** Sessions of one address that are open at a time are limited, and every stream has one publisher. */
const AT_ONCE = 7;
const STREAMS: readonly Stream[] = Array.from({ length: AT_ONCE }, (_, index) => ({ name: `cycle-${index}`, key: `secret-of-fuzz-slot-${String(index).padStart(2, "0")}` }));
/** After these the heaps have the size that they keep. */
const WARM_UP_CYCLES = 1_500;
export const MAX_GROWTH_RATIO = 1.1;
/** Pictures of the stream beside them, and ten minutes of its scores, are in use at one moment and not at another. */
const FRAMES_MB = 6;
const MAX_LOST_SECONDS = 1;
const IDLE_TIMEOUT_MS = 60_000;
/** Idle connections of HTTP are closed after five seconds. */
const HTTP_IDLE_MS = 6_000;
const SETTLE_TIMEOUT_MS = 20_000;
const CYCLE_TIMEOUT_MS = 30_000;
const MAX_WRONGS = 20;
const FREE_TIMEOUT_MS = 5_000;
const RETRY_MS = 10;

/** A few bytes of video; a whole keyframe starts a decoder, which is ended with its stream. */
const HEADER_ONLY = serialize([{ chunkStream: 6, type: 9, payload: AVC_HEADER }]);
const VIDEO = serialize([AVC_HEADER, ...AVC_FRAMES.slice(0, 4)].map((payload, index) => ({ chunkStream: 6, type: 9, payload, timestampMs: index * 100 })));
const UNPUBLISH = Buffer.concat([commandMessage("FCUnpublish", 4, null, "x"), commandMessage("deleteStream", 5, null, 1)]);

const KINDS: readonly Kind[] = [
  { name: "rtmp, ended by the client", share: 38, run: ({ ports, stream, random }) => rtmpCycle(ports.rtmp, { key: stream.key, video: random.chance(0.05) ? VIDEO : HEADER_ONLY, abrupt: false }) },
  { name: "rtmp, cut off", share: 36, run: ({ ports, stream, random }) => rtmpCycle(ports.rtmp, { key: stream.key, video: random.chance(0.05) ? VIDEO : HEADER_ONLY, abrupt: true }) },
  { name: "whip, offer and end", share: 24, run: ({ ports, stream }) => offerAndEnd(ports.whip, stream) },
  { name: "whip, with media", share: 2, run: ({ ports, stream }) => securedAndEnd(ports.whip, stream) },
];

/** The reset of the publisher before has not been read yet. */
class StreamTaken extends Error {
  override readonly name = "StreamTaken";
  override readonly message = "the stream's publisher is gone, and its stream is not free";
}

async function rtmpCycle(port: number, { key, video, abrupt }: { readonly key: string; readonly video: Buffer; readonly abrupt: boolean }): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const ended = Promise.withResolvers<void>();
  const published = Promise.withResolvers<void>();
  let received = "";
  socket.on("error", () => {}); // Its end is what counts.
  socket.on("data", (bytes: Buffer) => {
    received += bytes.toString("latin1").slice(0, 8_192);
    if (received.includes("NetStream.Publish.Start")) published.resolve();
  });
  socket.once("close", () => {
    ended.resolve();
    published.reject(received.includes("publisher-exists") ? new StreamTaken() : new Error(`a publisher was not let in: ${/NetStream[ -~]{0,120}/.exec(received)?.[0] ?? "no status"}`));
  });
  socket.write(publishing(key));
  await published.promise;
  socket.write(video);
  if (abrupt) socket.resetAndDestroy();
  else socket.end(UNPUBLISH);
  await ended.promise;
}

async function offerAndEnd(port: number, { name, key }: Stream): Promise<void> {
  const whip = whipClient(port, key);
  const answer = await whip({ method: "POST", path: `/whip/${name}`, headers: { "content-type": "application/sdp" }, body: makeOffer() });
  const text = await answer.text();
  if (answer.status === 409) throw new StreamTaken();
  if (answer.status !== 201) throw new Error(`an offer was answered ${answer.status}: ${text}`);
  const end = await whip({ method: "DELETE", path: answer.headers.get("location") ?? "" });
  await end.text();
  if (end.status !== 200) throw new Error(`a session's end was answered ${end.status}`);
}

async function securedAndEnd(port: number, { name, key }: Stream): Promise<void> {
  await using peer = await startWhipPeer({ port, stream: name, key }).catch((error: Error) => {
    throw error.message.startsWith("409") ? new StreamTaken() : error;
  });
  await peer.secure();
  for (let frame = 0; frame < 5; frame += 1) peer.sendFrame(frame === 0);
  await peer.answers(5_000);
  const end = await whipClient(port, key)({ method: "DELETE", path: peer.sessionPath });
  await end.text();
  if (end.status !== 200) throw new Error(`a session's end was answered ${end.status}`);
}

export async function runCycleCampaign({ count, seed, onProgress, signal }: CycleOptions): Promise<CycleReport> {
  await using watched = await startWatchedDaemon(STREAMS, { analysis: { workers: 1, maxStreams: AT_ONCE + 2 } });
  const byKind = new Map<string, number>();
  const wrongs: string[] = [];
  let startedMs = performance.now();

  const cycles = async (first: number, total: number): Promise<void> => {
    let next = first;
    const worker = async (stream: Stream): Promise<void> => {
      while (next < first + total && signal?.aborted !== true && wrongs.length < MAX_WRONGS) {
        const number = next++;
        const random = createRandom(seed, number);
        const kind = kindOf(random);
        try {
          await withDeadline(onceFree(() => kind.run({ ports: watched.ports, stream, random })));
        } catch (error) {
          wrongs.push(`cycle ${number} (${kind.name}): ${error instanceof Error ? error.message : String(error)}`);
        }
        byKind.set(kind.name, (byKind.get(kind.name) ?? 0) + 1);
        if (number % 100 === 0) onProgress?.({ cycles: number - first, seconds: (performance.now() - startedMs) / 1_000 });
      }
    };
    await Promise.all(STREAMS.map(worker));
  };

  await cycles(0, WARM_UP_CYCLES);
  const early = [...wrongs, ...watched.wrongs()];
  if (early.length > 0) throw new Error(`the warm-up went wrong: ${early.join("; ")}`);
  await watched.idle(IDLE_TIMEOUT_MS);
  await delay(HTTP_IDLE_MS);
  const before = await watched.figures();
  byKind.clear();
  watched.witness.reset();
  startedMs = performance.now();
  await cycles(WARM_UP_CYCLES, count);
  const seconds = (performance.now() - startedMs) / 1_000;
  await watched.idle(IDLE_TIMEOUT_MS).catch((error: unknown) => wrongs.push(String(error)));
  wrongs.push(...watched.wrongs());
  const { mostLostSeconds, mostLostFrames, longestStandstillSeconds } = watched.witness;
  if (mostLostSeconds > MAX_LOST_SECONDS || mostLostFrames > MAX_LOST_SECONDS * 10) wrongs.push(`the stream beside them lost ${mostLostSeconds.toFixed(1)} s, and ${mostLostFrames} frames by the daemon's own count (${await watched.lostByReason()})`);
  const after = watched.daemon.exit() === null ? await watched.figuresAsBefore(before, SETTLE_TIMEOUT_MS) : before;
  wrongs.push(...growth(before, after));
  return { cycles: [...byKind.values()].reduce((sum, each) => sum + each, 0), seconds, byKind, before, after, witness: { mostLostSeconds, mostLostFrames, longestStandstillSeconds }, wrongs };
}

function kindOf(random: Random): Kind {
  let left = random.below(KINDS.reduce((sum, { share }) => sum + share, 0));
  for (const kind of KINDS) {
    left -= kind.share;
    if (left < 0) return kind;
  }
  throw new RangeError("no kinds");
}

/** A publisher that was cut off and comes back at once may be a moment too early, and tries again, as encoders do. */
async function onceFree(publish: () => Promise<void>): Promise<void> {
  const deadlineMs = performance.now() + FREE_TIMEOUT_MS;
  for (;;) {
    try {
      return await publish();
    } catch (error) {
      if (!(error instanceof StreamTaken) || performance.now() > deadlineMs) throw error;
      await delay(RETRY_MS);
    }
  }
}

async function withDeadline(cycle: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = delay(CYCLE_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not through after ${CYCLE_TIMEOUT_MS / 1_000} s`);
  });
  try {
    await Promise.race([cycle, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined); // Told of by the race, or no longer of interest.
  }
}

function growth(before: Figures, after: Figures): string[] {
  const wrongs: string[] = [];
  for (const part of ["daemon", "ingest", "analysis"] as const) {
    const [first, last] = [before[part], after[part]];
    if (last.liveMb > Math.max(first.liveMb * MAX_GROWTH_RATIO, first.liveMb + FRAMES_MB)) wrongs.push(`${part} has ${last.liveMb.toFixed(1)} MB in use, and ${first.liveMb.toFixed(1)} MB before`);
    if (last.rssMb > first.rssMb * MAX_GROWTH_RATIO) wrongs.push(`${part} holds ${last.rssMb.toFixed(0)} MB, and ${first.rssMb.toFixed(0)} MB before`);
    if (last.descriptors > first.descriptors) wrongs.push(`${part} has ${last.descriptors} descriptors open, and ${first.descriptors} before`);
  }
  if (after.processes > before.processes) wrongs.push(`${after.processes} processes run, and ${before.processes} before`);
  return wrongs;
}
