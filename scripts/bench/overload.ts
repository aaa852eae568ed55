/** What the daemon does with twice and four times the crops that its model can take. */
import { startOverload } from "../../daemon/faults/testing/overload-load.ts";
import { faceVideo } from "../../daemon/testing/daemon-process.ts";
import type { Cell, Goal } from "./report.ts";
import { type BenchContext, type Section, wait } from "./section.ts";
import { quantile } from "./statistics.ts";

const STREAMS = 4;
const FACTORS = [2, 4] as const;
/** Sampling falls within seconds; windows of the new rate are ten seconds long. */
const SETTLE_SECONDS = 25;
const MAX_REQUEST_MS = 250;
const MAX_ALERT_MS = 250;
const MAX_FRAME_AGE_MS = 2_000;

interface Row {
  readonly cells: readonly Cell[];
  readonly goals: readonly Goal[];
}

export const overload: Section = {
  name: "overload",
  about: "twice and four times the crops that the model can take",
  async run(context) {
    const rows: Row[] = [];
    for (const factor of FACTORS) rows.push(await overloaded(factor, context));
    return {
      kind: "measured",
      tables: [
        {
          title: `${STREAMS} streams of 720p30 with one face, and a model that is made too slow for them`,
          columns: ["times capacity", "sampling, fps", "analysed fps, mean", "worst stream", "scores/s", "frame age p99, ms", "API p99, ms", "alert p99, ms", "alerts"],
          rows: rows.map(({ cells }) => cells),
        },
      ],
      goals: rows.flatMap(({ goals }) => goals),
      notes: [
        "The stand-in `scripted` keeps its thread busy for a chosen time a crop, so that the ratio is the same on every machine.",
        "API: GET /api/v1/streams ten times a second. Alert: from the daemon's time stamp of a transition to its message at a WebSocket client on the same machine.",
      ],
    };
  },
};

async function overloaded(factor: number, context: BenchContext): Promise<Row> {
  await using load = await startOverload({ streams: STREAMS, facesPerStream: 1, factor, video: await faceVideo() });
  while ((await load.streams()).some(({ state, tracks }) => state !== "live" || tracks.length === 0)) await wait(0.2, context);
  await wait(SETTLE_SECONDS, context);
  const seconds = context.quick ? 10 : 60;
  const { samplingFps, analysedFps, scores, frameAgesMs, requestsMs, alertDelaysMs } = await load.watch(seconds);
  const mean = analysedFps.reduce((sum, fps) => sum + fps, 0) / analysedFps.length;
  const worst = Math.min(...analysedFps);
  const [age, request, alert] = [quantile(frameAgesMs, 0.99), quantile(requestsMs, 0.99), quantile(alertDelaysMs, 0.99)];
  context.say(`${factor} times: sampling ${samplingFps}, analysed ${mean.toFixed(2)}, worst ${worst.toFixed(2)}`);
  const goal = (name: string, measured: number, limit: number, kind: Goal["kind"] = "at-most", unit = "ms"): Goal => ({ name: `${factor} × capacity: ${name}`, measured, limit, kind, unit });
  return {
    cells: [factor, samplingFps, mean, worst, scores / seconds, age, request, alert, alertDelaysMs.length],
    goals: [
      goal("sampling has fallen", samplingFps, 10 / factor, "at-most", "fps"),
      goal("worst stream's analysed frames over the mean", worst / mean, 0.5, "at-least", ""),
      goal("frame age, 99th percentile", age, MAX_FRAME_AGE_MS),
      goal("API, 99th percentile", request, MAX_REQUEST_MS),
      goal("alerts, 99th percentile", alert, MAX_ALERT_MS),
    ],
  };
}
