/** The real child process with its real socket: readiness, loss and return, garbage, and its end. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type InferenceClientState, startInferenceClient } from "./inference-client.ts";
import type { InferenceOptions, InferenceReport } from "./messages.ts";

const entry = fileURLToPath(new URL("./inference-process.ts", import.meta.url));
const modelDir = (name: string) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
const log = pino({ level: "silent" });
const pixels = new Uint8Array(160 * 160 * 3).fill(90);

let dir: string;
let socketPath: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "truecast-inference-"));
  socketPath = join(dir, "inference.sock");
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  await rm(dir, { recursive: true });
});

/** Forks the process and gives its first message that is no report. */
async function launch(change: Partial<InferenceOptions> = {}) {
  const child = fork(entry, [], { serialization: "advanced", execArgv: [] });
  children.push(child);
  const reports: InferenceReport[] = [];
  const first = new Promise<unknown>((resolve) => child.on("message", (message: { type: string }) => (message.type === "stats" ? reports.push(message as InferenceReport) : resolve(message))));
  const options: InferenceOptions = { socketPath, modelDir: modelDir("edge"), provider: "cpu", intraOpNumThreads: 2, maxBatch: 8, maxTracks: 8, logLevel: "silent", ...change };
  child.send({ type: "init", options });
  return { child, reports, answer: await first };
}

const startClient = (change: { maxInFlight?: number; inputSizePx?: number; onState?: (state: InferenceClientState) => void } = {}) => startInferenceClient({ socketPath, inputSizePx: 160, log, ...change });
const crop = (slot: number, face = 1) => ({ stream: "a", track: `a#${face}`, slot, pixels });

describe("the inference process", () => {
  it("says which provider and model it is ready with, scores crops, and reports once a second", async () => {
    const { answer, reports } = await launch({ provider: "auto" });
    expect(answer).toMatchObject({ type: "ready", info: { provider: "cpu", model: { name: "edge", trained: true } } });
    await using client = startClient();
    await client.ready();
    expect(client.state).toEqual({ kind: "ready", model: "edge" });
    const frames: number[] = [];
    for (let slot = 0; slot < 40; slot++) {
      const reply = await client.submit(crop(slot));
      if (reply.kind === "ok") frames.push(...reply.scores.map((score) => score.frames));
    }
    expect(frames).toEqual([40]);
    await vi.waitFor(() => expect(reports.reduce((sum, report) => sum + report.crops, 0)).toBe(40), { timeout: 5000 });
    expect(reports.flatMap((report) => report.batchSizes)).toEqual(Array<number>(40).fill(1));
    expect(reports.at(-1)).toMatchObject({ clients: 1, protocolErrors: 0, tracks: 1, queueDepth: 0 });
  });

  it.each([
    ["a provider that does not load", { provider: "cuda" as const }, "provider-unavailable"],
    ["a model that is not there", { modelDir: "/nowhere" }, "model-not-found"],
  ])("fails with %s, says why, and ends with 1", async (_, change, code) => {
    const { child, answer } = await launch(change);
    expect(answer).toMatchObject({ type: "failed", code });
    if (child.exitCode === null) await once(child, "exit");
    expect(child.exitCode).toBe(1);
  });

  it("ends with 0 when it is told to close, and when its parent is gone", async () => {
    for (const end of [(child: ChildProcess) => child.send({ type: "close" }), (child: ChildProcess) => child.disconnect()]) {
      const { child } = await launch({ modelDir: modelDir("scripted") });
      const exited = once(child, "exit");
      end(child);
      expect(await exited).toEqual([0, null]);
    }
  });

  it("closes a connection that sends garbage, counts it, and leaves the others alone", async () => {
    const { reports } = await launch({ modelDir: modelDir("scripted") });
    await using client = startClient();
    await client.ready();
    for (const garbage of [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.from([1, 0, 0, 0, 7]), Buffer.alloc(100_000, 0xff)]) {
      const socket = connect(socketPath);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", (error: NodeJS.ErrnoException) => expect(["ECONNRESET", "EPIPE"]).toContain(error.code));
      socket.resume();
      socket.write(garbage);
      await closed;
    }
    expect((await client.submit(crop(0))).kind).toBe("ok");
    await vi.waitFor(() => expect(reports.reduce((sum, report) => sum + report.protocolErrors, 0)).toBe(3), { timeout: 5000 });
  });
});

describe("the client", () => {
  it("rejects while the process is away, and comes back by itself to the next one", async () => {
    const states: string[] = [];
    await using client = startClient({ onState: (state) => states.push(state.kind) });
    await expect(client.submit(crop(0))).rejects.toMatchObject({ code: "inference-unavailable" });

    const { child } = await launch();
    await client.ready();
    expect((await client.submit(crop(1))).kind).toBe("ok");

    const onItsWay = client.submit(crop(2));
    child.kill("SIGKILL");
    await expect(onItsWay.then(() => client.submit(crop(3)))).rejects.toMatchObject({ code: "inference-unavailable" });
    await vi.waitFor(() => expect(client.state.kind).not.toBe("ready"));

    await launch();
    await client.ready();
    expect((await client.submit(crop(4))).kind).toBe("ok");
    expect(states.filter((state) => state === "ready")).toHaveLength(2);
  });

  it("ends its tracks with its connection, so that a client that takes its place starts them anew at slot 0", async () => {
    const { reports } = await launch();
    const first = startClient();
    await first.ready();
    // Fewer slots than a hop: going back by so little is no new clock to the schedule.
    for (let slot = 0; slot < 8; slot++) await first.submit(crop(slot));
    await first.submit(crop(0, 2));
    await vi.waitFor(() => expect(reports.at(-1)).toMatchObject({ tracks: 2 }), { timeout: 5000 });
    await first.close();
    await vi.waitFor(() => expect(reports.at(-1)).toMatchObject({ tracks: 0, clients: 0 }), { timeout: 5000 });

    await using second = startClient();
    await second.ready();
    const given: number[] = [];
    for (let slot = 0; slot < 40; slot++) {
      const reply = await second.submit(crop(slot));
      if (reply.kind === "ok" && reply.scores.length > 0) given.push(slot);
    }
    expect(given).toEqual([39]);
  });

  it("leaves a track alone that another connection has taken over, when its own ends", async () => {
    await launch({ modelDir: modelDir("scripted") });
    const first = startClient();
    await using second = startClient();
    await Promise.all([first.ready(), second.ready()]);
    await first.submit(crop(5));
    const given: number[] = [];
    for (let slot = 0; slot < 40; slot++) {
      const reply = await second.submit(crop(slot));
      if (reply.kind === "ok" && reply.scores.length > 0) given.push(slot);
      if (slot === 20) first.endTrack("a#1");
      if (slot === 25) await first.close();
    }
    expect(given).toEqual([39]);
  });

  it("discards what goes past its cap instead of queueing it", async () => {
    await launch();
    await using client = startClient({ maxInFlight: 2 });
    await client.ready();
    const replies = await Promise.all([1, 2, 3].map((face) => client.submit(crop(0, face))));
    expect(replies.map((reply) => reply.kind)).toEqual(["ok", "ok", "discarded"]);
  });

  it("does not hand crops to a model of another input size", async () => {
    await launch({ modelDir: modelDir("scripted") });
    await using client = startClient({ inputSizePx: 224 });
    await vi.waitFor(() => expect(client.state).toMatchObject({ kind: "waiting", reason: "scripted takes crops of 160 px, not 224" }));
    await expect(client.submit(crop(0))).rejects.toMatchObject({ code: "inference-unavailable" });
  });

  it("rejects what is on its way when it is closed, and stays closed", async () => {
    await launch();
    const client = startClient();
    await client.ready();
    const onItsWay = client.submit(crop(0));
    await Promise.all([client.close(), client.close()]);
    await expect(onItsWay).rejects.toMatchObject({ code: "inference-unavailable" });
    await expect(client.ready()).rejects.toMatchObject({ code: "inference-unavailable" });
    expect(client.state.kind).toBe("closed");
  });
});
