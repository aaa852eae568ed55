/** A worker's second work: the heat map, with the live model's graphs in sessions of their own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TruecastError } from "../../pipelines/errors.ts";
import { loadModelFolder } from "../../models/manifest.ts";
import { openSequenceScorer } from "../../models/sequence-scorer.ts";
import { heatPicture, occlusionMap } from "./heat-map.ts";
import { isDiskFull, raw } from "./make-media.ts";
import { recordedCrops } from "./recorded.ts";
import type { WorkerJob, WorkerOutcome } from "./worker.ts";

/** Crops of the horizon that are covered; each stands for a fifth of the window. */
const CROPS = 5;

export async function makeHeatMap({ recording, out, modelDir, modelSha256 }: WorkerJob): Promise<WorkerOutcome> {
  const nothing = { files: [], clips: [], problems: [] };
  const recorded = await recordedCrops(recording);
  if (recorded === null) return nothing;
  try {
    const model = await loadModelFolder(modelDir);
    if (model.kind === "scripted") return nothing;
    if (model.info.sha256 !== modelSha256) throw new TruecastError("evidence-failed", `${modelDir} holds another model than the one that raised the alert`);
    const { sizePx } = recorded;
    const crops = spread(recorded.crops, CROPS);
    await using scorer = await openSequenceScorer({ paths: model.paths, manifest: model.manifest, threads: 1 });
    const map = await occlusionMap({ crops: crops.map(({ pixels }) => pixels), sizePx, scorer });
    const middle = crops[Math.floor(crops.length / 2)] ?? crops[0];
    if (middle !== undefined) await raw(heatPicture(map, middle.pixels, sizePx)).jpeg({ quality: 90 }).toFile(join(out, "heat-map.jpg"));
    const method = "Occlusion: the score of these crops, each held for an equal share of the window, with a patch of two by two cells around each cell covered in the crop's mean colour. evidence is the fall of the log odds of the raw score.";
    await writeFile(join(out, "heat-map.json"), `${JSON.stringify({ method, model: { name: model.info.name, sha256: model.info.sha256 }, cropsPtsMs: crops.map(({ ptsMs }) => ptsMs), ...map }, null, 2)}\n`);
    return {
      ...nothing,
      files: [
        { name: "heat-map.jpg", kind: "crops", mediaType: "image/jpeg", description: "Where in the face the evidence lies: red speaks for manipulation, blue against it, over one of the crops." },
        { name: "heat-map.json", kind: "verdict", mediaType: "application/json", description: "The heat map's grid, its scores, and how it was made." },
      ],
    };
  } catch (error) {
    return { ...nothing, problems: [{ problem: isDiskFull(error) ? "disk-full" : "heat-map-failed", message: error instanceof Error ? error.message : String(error) }] };
  }
}

function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / count)]).filter((item) => item !== undefined);
}
