/** Fault matrix (docs/operations.md): each process under a live stream killed, frozen or spinning, and how soon its work goes on. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../ingest/pull/testing/pulling.ts";
import type { Stream, StreamDetail, SystemStatus } from "../protocol.ts";
import { type DaemonProcess, faceVideo, startDaemonProcess } from "../testing/daemon-process.ts";
import { keepPublishing, type KeptPublisher, looped } from "../testing/keep-publishing.ts";
import { childrenOf, isRunning } from "../testing/processes.ts";
import { expectRecovery, until } from "./testing/recovery.ts";

const KEY = "camera-key-12";
const TIMEOUT = { timeout: 120_000 };

describe("a process under a live stream", () => {
  let folder: string;
  let daemon: DaemonProcess;
  let publisher: KeptPublisher;
  let srtPort: number;
  const stream = async (): Promise<Stream> => (await daemon.get<StreamDetail>("/api/v1/streams/camera")).stream;
  const system = () => daemon.get<SystemStatus>("/api/v1/system");
  const restarts = async (component: string): Promise<number> => (await system()).components[component]?.restarts ?? 0;
  const framesAgain = async (): Promise<unknown> => {
    const { frames } = await stream();
    return until(stream, ({ state, frames: { decoded } }) => state === "live" && decoded > frames.decoded);
  };
  const decoder = (): number => {
    const [found, other] = childrenOf(daemon.childPid("analysis-0"));
    if (found === undefined || other !== undefined) throw new Error("not one ffmpeg runs");
    return found.pid;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "truecast-faults-"));
    // While the file `spin` is there, a new decoder burns a core, gives nothing and ignores SIGTERM.
    const wrapper = join(folder, "ffmpeg");
    await writeFile(wrapper, `#!/bin/sh\nif [ -e "${folder}/spin" ]; then trap "" TERM; while :; do :; done; fi\nexec ffmpeg "$@"\n`, { mode: 0o755 });
    srtPort = await freePort();
    daemon = await startDaemonProcess({ streams: [{ name: "camera", key: KEY }, { name: "gate", url: `srt://127.0.0.1:${srtPort}?mode=listener` }], outbound: { allow: ["127.0.0.1"] }, rtmp: { port: 0, stallMs: 3_000 } }, { FFMPEG_PATH: wrapper });
    publisher = keepPublishing(looped(await faceVideo(), `${daemon.rtmpUrl}/${KEY}`));
  });

  afterAll(async () => {
    await publisher.close();
    await daemon[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    await rm(join(folder, "spin"), { force: true });
    await until(stream, ({ state, tracks }) => state === "live" && tracks.length > 0);
    await until(() => childrenOf(daemon.childPid("analysis-0")), (decoders) => decoders.length === 1);
  }, 60_000);

  test("a killed publisher is waited for, and its stream goes on when it returns", TIMEOUT, async () => {
    publisher.process?.kill("SIGKILL");
    await expectRecovery("publisher killed, seen as reconnecting", 2, () => until(stream, ({ state }) => state === "reconnecting"));
    await expectRecovery("publisher back, frames again", 10, framesAgain);
  });

  test("a publisher that sends nothing while its connection stays open", TIMEOUT, async () => {
    publisher.process?.kill("SIGSTOP");
    await expectRecovery("publisher stalled, told after 3 s of silence", 8, () => until(stream, ({ state, stateReason }) => state === "stalled" && stateReason?.code === "publisher-stalled"));
    expect((await stream()).verdict).toMatchObject({ kind: "unscored", reason: "no-video" });
    publisher.process?.kill("SIGCONT");
    await expectRecovery("publisher sends again, frames", 10, framesAgain);
  });

  test("a killed decoder", TIMEOUT, async () => {
    process.kill(decoder(), "SIGKILL");
    await expectRecovery("decoder killed, frames again", 10, framesAgain);
  });

  test("a frozen decoder is replaced and gone", TIMEOUT, async () => {
    const frozen = decoder();
    process.kill(frozen, "SIGSTOP");
    await expectRecovery("decoder frozen, replaced", 12, () => until(stream, ({ state }) => state === "stalled").then(framesAgain));
    await until(() => isRunning(frozen), (running) => !running);
  });

  test("a spinning decoder is told as stalled, and replaced until one decodes", TIMEOUT, async () => {
    await writeFile(join(folder, "spin"), "");
    process.kill(decoder(), "SIGKILL");
    await expectRecovery("decoder spinning, told", 15, () => until(stream, ({ state, stateReason }) => state === "stalled" && stateReason?.code === "decoder-stalled"));
    expect((await stream()).verdict).toMatchObject({ kind: "unscored", reason: "decoder-recovering" });
    const spinning = childrenOf(daemon.childPid("analysis-0")).filter(({ command }) => command.includes(join(folder, "ffmpeg")));
    await rm(join(folder, "spin"));
    await expectRecovery("decoder spinning, replaced by one that decodes", 20, framesAgain);
    for (const { pid } of spinning) await until(() => isRunning(pid), (running) => !running);
  });

  test("a killed ingest process", TIMEOUT, async () => {
    const before = await restarts("ingest");
    process.kill(daemon.childPid("ingest"), "SIGKILL");
    await expectRecovery("ingest killed, listening again", 10, () => until(system, ({ components }) => components["ingest"]?.restarts === before + 1 && components["ingest"].state === "ready"));
    await expectRecovery("ingest killed, publisher back with frames", 10, framesAgain);
  });

  test("a killed pull process, and with it its ffmpeg, which holds a port", TIMEOUT, async () => {
    const gate = async (): Promise<Stream> => (await daemon.get<StreamDetail>("/api/v1/streams/gate")).stream;
    const pull = daemon.childPid("pull");
    // Waiting for a publisher, it would not notice that nobody reads it.
    const listening = await until(() => childrenOf(pull), (children) => children.length === 1);
    process.kill(pull, "SIGKILL");
    await using _publisher = keepPublishing(["-re", "-stream_loop", "-1", "-i", await faceVideo(), "-c", "copy", "-f", "mpegts", `srt://127.0.0.1:${srtPort}`]);
    await expectRecovery("pull killed, its port taken again and frames", 20, () => until(gate, ({ state, frames: { decoded } }) => state === "live" && decoded > 10));
    expect(listening.filter(({ pid }) => isRunning(pid))).toEqual([]);
  });

  test("a killed analysis process, and its frozen decoders with it", TIMEOUT, async () => {
    const frozen = decoder();
    process.kill(frozen, "SIGSTOP");
    process.kill(daemon.childPid("analysis-0"), "SIGKILL");
    await expectRecovery("analysis killed, frames again", 20, framesAgain);
    expect(isRunning(frozen)).toBe(false);
  });

  test("a killed inference process", TIMEOUT, async () => {
    const killedAt = Date.now();
    process.kill(daemon.childPid("inference"), "SIGKILL");
    await expectRecovery("inference killed, scores again", 25, () => until(() => daemon.get<StreamDetail>("/api/v1/streams/camera"), ({ scores }) => scores.some(({ at, frames }) => at > killedAt && frames === 40)));
  });

  test("every process wedged at once: each is noticed by its heartbeat, nothing is shown as authentic meanwhile, and all go on", TIMEOUT, async () => {
    const names = ["ingest", "pull", "analysis-0", "inference"];
    const before = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await restarts(name)] as const)));
    const frozen = names.map((name) => daemon.childPid(name));
    for (const pid of frozen) process.kill(pid, "SIGSTOP");
    const verdicts = new Set<string>();
    const seen = async (): Promise<Stream> => {
      const now = await stream();
      verdicts.add(now.verdict.kind);
      return now;
    };
    const restarted = (name: string): Promise<unknown> => until(async () => [await restarts(name), await seen()] as const, ([count]) => count === (before[name] ?? 0) + 1);
    await expectRecovery("every process wedged, faces unscored", 6, () => until(stream, ({ verdict }) => verdict.kind === "unscored"));
    await expectRecovery("ingest, pull and analysis wedged, noticed after that", 25, () => Promise.all(["ingest", "pull", "analysis-0"].map(restarted)));
    await expectRecovery("inference wedged, noticed after that", 25, () => restarted("inference"));
    expect(verdicts).toEqual(new Set(["unscored"]));
    await expectRecovery("all ready again and frames after that", 15, () => until(system, ({ components }) => names.every((name) => components[name]?.state === "ready")).then(framesAgain));
    const metrics = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
    for (const name of names) expect(metrics).toMatch(new RegExp(`truecast_restarts_total\\{component="${name}",cause="wedged"\\} 1`));
    expect(frozen.filter(isRunning)).toEqual([]);
  });
});
