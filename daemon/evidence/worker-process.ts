/** Entry of a worker: does one job and ends. */
import { constants, setPriority } from "node:os";
import { makeHeatMap } from "./make-heat-map.ts";
import { makeMedia } from "./make-media.ts";
import type { WorkerJob } from "./worker.ts";

setPriority(constants.priority.PRIORITY_LOW);

process.once("message", (message) => void work(message as WorkerJob));
// The daemon is gone: nobody waits for the rest.
process.on("disconnect", () => process.exit(1));

async function work(job: WorkerJob): Promise<void> {
  const outcome = await (job.work === "media" ? makeMedia(job) : makeHeatMap(job));
  process.send?.(outcome, () => process.exit(0));
}
