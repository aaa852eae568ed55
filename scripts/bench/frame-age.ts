/** How old a frame is when its score is there, at four fifths of what the machine holds. */
import { capacity, MODEL } from "./capacity.ts";
import { histogramQuantile, shareUpTo } from "./exposition.ts";
import { startLiveLoad } from "./live-load.ts";
import { type Section, wait } from "./section.ts";
import { HORIZON_SECONDS, watchWindow } from "./steady-window.ts";

const SHARE_OF_CAPACITY = 0.8;
const MAX_P95_MS = 500;

export const frameAge: Section = {
  name: "frame-age",
  about: "decode to score at 80% of capacity",
  async run(context) {
    if (context.capacity === undefined) {
      context.say("the capacity comes first");
      await capacity.run(context);
    }
    const held = context.capacity?.streams ?? 0;
    if (held === 0) return { kind: "skipped", reason: "this machine does not hold a single stream" };
    const streams = Math.max(1, Math.floor(SHARE_OF_CAPACITY * held));
    const seconds = context.quick ? 15 : 60;
    context.say(`${streams} streams`);
    await using load = await startLiveLoad({ model: MODEL, maxStreams: streams, signal: context.signal });
    await load.setStreams(streams);
    await wait(HORIZON_SECONDS, context);
    const window = await watchWindow(load, context, seconds);
    const ageMs = (q: number): number => 1000 * histogramQuantile(window.frameAge, q);
    const inTime = shareUpTo(window.frameAge, MAX_P95_MS / 1000);
    return {
      kind: "measured",
      tables: [
        {
          title: `Frame age, decode to score, with ${streams} of ${held} streams`,
          columns: ["streams", "p50, ms", "p95, ms", "p99, ms", "within 500 ms, %", "frames scored", "CPU, % of a core"],
          rows: [[streams, ageMs(0.5), ageMs(0.95), ageMs(0.99), 100 * inTime, [...window.frameAge.values()].at(-1) ?? 0, window.cpu]],
        },
      ],
      goals: [{ name: "frame age, 95th percentile", measured: ageMs(0.95), limit: MAX_P95_MS, kind: "at-most", unit: "ms" }],
      notes: [
        `Over ${seconds} s with \`${MODEL}\`, from truecast_frame_age_seconds: every crop that was scored; quantiles are linear within a bucket, the share within 500 ms is exact.`,
        `${window.discarded} frames discarded, ${window.lost} lost meanwhile.`,
      ],
    };
  },
};
