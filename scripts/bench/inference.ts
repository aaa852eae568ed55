/** The model alone: the backbone against the machine's matrix products, the staggered horizon against running it all again. */
import { fileURLToPath } from "node:url";
import { availableParallelism } from "node:os";
import { type BackboneBench, benchBackbone, benchInference, type InferenceBench } from "../../daemon/inference/bench-inference.ts";
import { loadModelFolder } from "../../models/manifest.ts";
import type { Goal, SectionOutcome } from "./report.ts";
import type { BenchContext, Section } from "./section.ts";

const PAPER_MODEL = "resnext101-lstm";
const SHIPPED_MODEL = "edge";
const MIN_SHARE_OF_MATMUL_PERCENT = 75;
const MIN_OVER_LSTM = 4;
const MIN_OVER_CLIP = 50;

/** Both sections come from one run: building the graphs takes longer than measuring them. */
let measured: Promise<InferenceBench> | undefined;

function inferenceBench({ quick, say }: BenchContext): Promise<InferenceBench> {
  if (measured === undefined) say(`building the graphs${quick ? ` (quick: ${SHIPPED_MODEL} alone)` : ""}`);
  return (measured ??= benchInference(quick ? { models: [SHIPPED_MODEL] } : {}));
}

export const backbone: Section = {
  name: "backbone",
  about: "time of a crop, against the machine's fp32 matrix products",
  async run(context) {
    const { backbones, skipped, threads } = await inferenceBench(context);
    // Of the shipped model the graphs that ship, not those that the training code would build now.
    const shown = [await benchShipped(), ...backbones.filter(({ model }) => model !== SHIPPED_MODEL)];
    return {
      kind: "measured",
      tables: [
        {
          title: "Backbone at 112×112",
          columns: ["model", "GMAC a crop", "ms a crop, alone", "ms a crop, in 8", "GFLOP/s", "matrix product, GFLOP/s", "share, %"],
          rows: shown.map(({ model, gigaMacsPerCrop, msPerCrop, gflopPerSecond, matmulGflopPerSecond, shareOfMatmul }) => [
            model,
            gigaMacsPerCrop,
            msPerCrop.batch1,
            msPerCrop.batch8,
            gflopPerSecond,
            matmulGflopPerSecond,
            100 * shareOfMatmul,
          ]),
        },
      ],
      goals: shown
        .filter(({ model }) => model === PAPER_MODEL)
        .map(({ model, shareOfMatmul }): Goal => ({ name: `${model}: share of the matrix-product rate`, measured: 100 * shareOfMatmul, limit: MIN_SHARE_OF_MATMUL_PERCENT, kind: "at-least", unit: "%" })),
      notes: [`ONNX Runtime with the settings of the live service, ${threads} threads; crops and 2048×2048 products in turn, medians of 15; a share over 100% means that the product is not the fastest thing that this processor does.`, ...skipped],
    };
  },
};

export const horizon: Section = {
  name: "horizon",
  about: "a hop of the staggered states, against the LSTM again and the whole clip again",
  async run(context): Promise<SectionOutcome> {
    const { horizons, skipped } = await inferenceBench(context);
    if (horizons.length === 0) return { kind: "skipped", reason: skipped.join("; ") };
    return {
      kind: "measured",
      tables: [
        {
          title: "One hop (10 frames) of the horizon, all tracks together",
          columns: ["model", "tracks", "staggered, ms", "LSTM again, ms", "clip again, ms", "LSTM ÷ staggered", "clip ÷ staggered"],
          rows: horizons.map(({ model, tracks, staggeredMs, lstmRerunMs, clipRerunMs, lstmOverStaggered, clipOverStaggered }) => [
            model,
            tracks,
            staggeredMs,
            lstmRerunMs,
            clipRerunMs,
            lstmOverStaggered,
            clipOverStaggered,
          ]),
        },
      ],
      goals: horizons
        .filter(({ model, tracks }) => model === PAPER_MODEL && tracks === 1)
        .flatMap(({ model, lstmOverStaggered, clipOverStaggered }): Goal[] => [
          { name: `${model}: LSTM again over staggered, one track`, measured: lstmOverStaggered, limit: MIN_OVER_LSTM, kind: "at-least", unit: "×" },
          { name: `${model}: clip again over staggered, one track`, measured: clipOverStaggered, limit: MIN_OVER_CLIP, kind: "at-least", unit: "×" },
        ]),
      notes: ["Without the backbone passes of the hop's ten new crops, which the first two ways need alike; the clip's 100 crops are counted at the measured cost of a crop.", ...skipped],
    };
  },
};

/** Needs no PyTorch. */
async function benchShipped(): Promise<BackboneBench> {
  const folder = await loadModelFolder(fileURLToPath(new URL(`../../models/${SHIPPED_MODEL}`, import.meta.url)));
  if (folder.kind !== "cnn-lstm") throw new Error(`${SHIPPED_MODEL} is not a network`);
  return benchBackbone({ manifest: folder.manifest, paths: folder.paths, threads: availableParallelism() });
}
