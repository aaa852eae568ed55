import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, test } from "vitest";
import { type CutFace, cutStills } from "./cut-stills.ts";

test("cuts the face of a photograph with landmarks and descriptor, and leaves out a picture without one", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "truecast-stills-"));
  try {
    const photographs = join(folder, "people");
    await mkdir(photographs);
    await copyFile(fileURLToPath(import.meta.resolve("@vladmandic/face-api/demo/sample1.jpg")), join(photographs, "a.jpg"));
    await sharp({ create: { width: 400, height: 300, channels: 3, background: { r: 90, g: 120, b: 60 } } }).jpeg().toFile(join(photographs, "b.jpg"));

    const outDir = join(folder, "out");
    expect(await cutStills([photographs], { outDir, sizePx: 128, margin: 2 })).toEqual({ cut: 1, leftOut: 1 });
    expect((await readFile(join(outDir, "faces.u8"))).length).toBe(128 * 128 * 3);
    const face = JSON.parse(await readFile(join(outDir, "faces.jsonl"), "utf8")) as CutFace;
    expect(face.source).toBe("people/a.jpg");
    expect(face.facePx).toBeGreaterThan(64);
    // The cut is twice the longer side of the face, which lies in its middle.
    expect(Math.max(face.box[2], face.box[3])).toBeCloseTo(64, 0);
    expect(face.landmarks).toHaveLength(68);
    const inside = face.landmarks.filter(([x, y]) => x > 20 && x < 108 && y > 20 && y < 118);
    expect(inside.length).toBeGreaterThan(60);
    const [leftEye, rightEye, chin] = [face.landmarks[36]!, face.landmarks[45]!, face.landmarks[8]!];
    expect(leftEye[0]).toBeLessThan(rightEye[0]);
    expect(leftEye[1]).toBeLessThan(chin[1]);
    expect(face.descriptor).toHaveLength(128);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
