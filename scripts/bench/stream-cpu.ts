/** What one stream costs in CPU without the backbone, against an ffmpeg that does nothing but decode the same video. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type ByPart, type LiveLoad, mapParts, PARTS, startLiveLoad, total } from "./live-load.ts";
import { cpuSeconds } from "./processes.ts";
import { type BenchContext, type Section, wait } from "./section.ts";
import { median } from "./statistics.ts";

const STREAM_COUNTS = [1, 4];
/** Past the first detections, which look harder than those of a followed face. */
const SETTLE_SECONDS = 5;
const MAX_RATIO = 3;

interface Window {
  readonly parts: ByPart<number>;
  readonly publishers: number;
  readonly bare: number;
  readonly bareOneThread: number;
}

/** Cores used on average. */
async function measure(load: LiveLoad, context: BenchContext, seconds: number): Promise<Window> {
  // In the same window, so that whatever else the machine does slows both.
  await using bare = decodeOnly(load.video, []);
  await using oneThread = decodeOnly(load.video, ["-threads", "1"]);
  // Both start with a burst of probing that a long-running decoder does not have.
  await wait(1, context);
  const before = { parts: load.cpu(), publishers: load.publisherCpu(), bare: bare.cpu(), bareOneThread: oneThread.cpu(), atMs: performance.now() };
  await wait(seconds, context);
  const elapsed = (performance.now() - before.atMs) / 1000;
  const after = load.cpu();
  return {
    parts: mapParts(before.parts, (value, part) => (after[part] - value) / elapsed),
    publishers: (load.publisherCpu() - before.publishers) / elapsed,
    bare: (bare.cpu() - before.bare) / elapsed,
    bareOneThread: (oneThread.cpu() - before.bareOneThread) / elapsed,
  };
}

interface Decoding extends AsyncDisposable {
  cpu(): number;
}

/** In real time, as the daemon must. */
function decodeOnly(video: string, inputOptions: readonly string[]): Decoding {
  const child: ChildProcess = spawn("ffmpeg", ["-nostdin", "-v", "error", ...inputOptions, "-re", "-stream_loop", "-1", "-i", video, "-an", "-f", "null", "-"], { stdio: "ignore" });
  const exited = once(child, "exit");
  return {
    cpu: () => cpuSeconds(child.pid ?? 0),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

export const streamCpu: Section = {
  name: "stream-cpu",
  about: "CPU of a 720p30 one-face stream without the backbone, against bare decoding",
  async run(context) {
    const rounds = context.quick ? 1 : 3;
    const seconds = context.quick ? 8 : 20;
    const windows = new Map<number, Window[]>([0, ...STREAM_COUNTS].map((count) => [count, []]));
    await using load = await startLiveLoad({ model: "scripted", maxStreams: Math.max(...STREAM_COUNTS), signal: context.signal });
    await wait(SETTLE_SECONDS, context);
    for (let round = 1; round <= rounds; round++) {
      for (const [count, samples] of windows) {
        context.say(`round ${round} of ${rounds}: ${count} streams`);
        await load.setStreams(count);
        await wait(SETTLE_SECONDS, context);
        samples.push(await measure(load, context, seconds));
      }
    }

    const idle = mapParts(windows.get(0)?.[0]?.parts ?? load.cpu(), (_, part) => median((windows.get(0) ?? []).map(({ parts }) => parts[part])));
    const percent = (cores: number): number => cores * 100;
    const rows: (string | number)[][] = [["0", ...PARTS.map((part) => percent(idle[part])), percent(total(idle)), "–", "–", "–", "–"]];
    const goals = [];
    for (const count of STREAM_COUNTS) {
      const samples = windows.get(count) ?? [];
      const ratio = (one: Window): number => (total(one.parts) - total(idle)) / count / one.bare;
      const ratios = samples.map(ratio);
      const perStream = samples.map((one) => (total(one.parts) - total(idle)) / count);
      rows.push([
        String(count),
        ...PARTS.map((part) => percent(median(samples.map(({ parts }) => parts[part])))),
        percent(median(samples.map(({ parts }) => total(parts)))),
        percent(median(perStream)).toFixed(1),
        percent(median(samples.map(({ bare }) => bare))).toFixed(1),
        percent(median(samples.map(({ bareOneThread }) => bareOneThread))).toFixed(1),
        median(ratios).toFixed(2),
      ]);
      goals.push({ name: `CPU of a stream over that of bare decoding, ${count} ${count === 1 ? "stream" : "streams"}`, measured: median(ratios), limit: MAX_RATIO, kind: "at-most" as const, unit: "×" });
    }
    const publisher = median(STREAM_COUNTS.flatMap((count) => (windows.get(count) ?? []).map(({ publishers }) => publishers / count)));
    return {
      kind: "measured",
      tables: [{ title: "CPU without the backbone, % of a core", columns: ["streams", ...PARTS, "sum", "a stream", "bare", "bare, 1 thread", "ratio"], rows }],
      goals,
      notes: [
        `Real daemon with the scripted stand-in for the model; ${rounds} windows of ${seconds} s a row, medians; "a stream" is the sum less that of the row without streams.`,
        `"bare" is \`ffmpeg -re -i VIDEO -an -f null -\` on the same video in the same window, "1 thread" the same with \`-threads 1\` before \`-i\`; the ratio is against the first.`,
        `Each publisher (ffmpeg -c copy) costs another ${(publisher * 100).toFixed(1)}% of a core, which is not counted.`,
      ],
    };
  },
};
