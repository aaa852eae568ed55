/** Reads what a recorder left in its folder: the parts of the clip and the face crops. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { namesIn } from "./folders.ts";
import { oneOf } from "./log-record.ts";

/** As daemon/analysis/clip-part.ts writes it. */
const Part = Type.Object({
  codec: Type.String(),
  format: oneOf(["flv", "ivf"]),
  baseMs: Type.Number(),
  firstPtsMs: Type.Number(),
  lastPtsMs: Type.Union([Type.Number(), Type.Null()]),
});
export type RecordedPart = Static<typeof Part> & { readonly path: string };

const Crops = Type.Object({ sizePx: Type.Integer({ minimum: 1, maximum: 1_024 }), ptsMs: Type.Array(Type.Number(), { maxItems: 100 }) });

export interface RecordedCrops {
  readonly sizePx: number;
  readonly crops: readonly { readonly ptsMs: number; readonly pixels: Uint8Array }[];
}

/** In their order; a part whose note cannot be read is left out. */
export async function recordedParts(folder: string): Promise<readonly RecordedPart[]> {
  const parts: RecordedPart[] = [];
  for (const name of await namesIn(folder)) {
    const index = /^part-(\d+)\.json$/.exec(name)?.[1];
    if (index === undefined) continue;
    const part = await readJson(join(folder, name));
    if (Value.Check(Part, part)) parts.push({ ...part, path: join(folder, `part-${index}.${part.format}`) });
  }
  return parts;
}

/** Null when there are none, or when they were not written to the end. */
export async function recordedCrops(folder: string): Promise<RecordedCrops | null> {
  const info = await readJson(join(folder, "crops.json"));
  if (!Value.Check(Crops, info) || info.ptsMs.length === 0) return null;
  const bytes = await readFile(join(folder, "crops.rgb"));
  const cropBytes = info.sizePx ** 2 * 3;
  if (bytes.length !== info.ptsMs.length * cropBytes) return null;
  return { sizePx: info.sizePx, crops: info.ptsMs.map((ptsMs, index) => ({ ptsMs, pixels: bytes.subarray(index * cropBytes, (index + 1) * cropBytes) })) };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    // Not there, or cut off by a crash: as good as none.
    return null;
  }
}
