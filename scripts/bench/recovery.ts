/** How long a frozen decoder keeps its stream blind: SIGSTOP at random moments, until frames come again. */
import pino from "pino";
import { makeFlvTags, playTags } from "../../pipelines/decode/flv-fixture.ts";
import { startLiveDecoder } from "../../pipelines/decode/live-decoder.ts";
import { type BenchContext, type Section, wait } from "./section.ts";
import { quantile } from "./statistics.ts";

const DECODERS = 6;
const ROUNDS = 17;
const MAX_P99_MS = 8_000;
/** Long enough that the next restart is again the first one in a row. */
const REST_SECONDS = 11;
const GIVE_UP_MS = 30_000;

export const recovery: Section = {
  name: "recovery",
  about: "a frozen ffmpeg until frames again",
  async run(context) {
    const rounds = context.quick ? 1 : ROUNDS;
    // Ten seconds between keyframes, as OBS sends them: the hardest case, for all since the last one is decoded again.
    const tags = await makeFlvTags({ size: "1280x720", seconds: 20, gopFrames: 300, encoder: ["-b:v", "3M"] });
    const delays = (await Promise.all(Array.from({ length: DECODERS }, (_, index) => freezeRepeatedly(tags, { context, rounds, index })))).flat();
    return {
      kind: "measured",
      tables: [
        {
          title: "From a frozen decoder to frames again, s",
          columns: ["freezes", "p50", "p95", "p99", "longest"],
          rows: [[delays.length, ...[0.5, 0.95, 0.99, 1].map((q) => quantile(delays, q) / 1000)]],
        },
      ],
      goals: [{ name: "frozen decoder to frames, 99th percentile", measured: quantile(delays, 0.99) / 1000, limit: MAX_P99_MS / 1000, kind: "at-most", unit: "s" }],
      notes: [`${DECODERS} decoders of 720p30 at a time, a keyframe every 10 s, each frozen by SIGSTOP ${rounds} times at random moments.`],
    };
  },
};

async function freezeRepeatedly(tags: Parameters<typeof playTags>[0], { context, rounds, index }: { context: BenchContext; rounds: number; index: number }): Promise<number[]> {
  let seen = Promise.withResolvers<void>();
  await using decoder = startLiveDecoder({ onFrame: () => seen.resolve(), onEvent: () => undefined, log: pino({ level: "silent" }) });
  await using _player = playTags(tags, (bytes) => decoder.write(bytes), { loop: true });
  const delays: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await wait(REST_SECONDS + Math.random() * 4, context);
    const { pid } = decoder;
    if (pid === null) throw new Error("no decoder runs");
    process.kill(pid, "SIGSTOP");
    const frozenAt = performance.now();
    // What was in the pipe still comes out.
    await wait(0.5, context);
    seen = Promise.withResolvers();
    // A decoder that never comes back counts with this long, and fails the goal.
    const givingUp = setTimeout(() => seen.resolve(), GIVE_UP_MS);
    await seen.promise;
    clearTimeout(givingUp);
    delays.push(performance.now() - frozenAt);
    if (index === 0) context.say(`freeze ${round + 1} of ${rounds}: ${((delays.at(-1) ?? 0) / 1000).toFixed(1)} s`);
  }
  return delays;
}
