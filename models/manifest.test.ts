/** Model folders that must be taken, and those that must be refused, each with the message an operator gets. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, symlink, writeFile, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModelFolder, parseManifest, readManifest } from "./manifest.ts";

const modelsDir = fileURLToPath(new URL(".", import.meta.url));
const edge = join(modelsDir, "edge");
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "truecast-models-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

const edgeManifest = async () => JSON.parse(await readFile(join(edge, "manifest.json"), "utf8")) as Record<string, unknown>;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A folder with the edge model's manifest, changed, and graphs of the given bytes (with matching hashes unless changed). */
async function folder(name: string, { graphs = {}, change = {} }: { graphs?: Record<string, Uint8Array>; change?: Record<string, unknown> } = {}) {
  const path = join(dir, name);
  await mkdir(path);
  const named = Object.fromEntries(Object.entries(graphs).map(([graph, bytes]) => [graph, { file: `${graph}.onnx`, sha256: sha256(bytes) }]));
  for (const [graph, bytes] of Object.entries(graphs)) await writeFile(join(path, `${graph}.onnx`), bytes);
  await writeFile(join(path, "manifest.json"), JSON.stringify({ ...(await edgeManifest()), ...(Object.keys(graphs).length > 0 && { graphs: named }), ...change }));
  return path;
}

/** ModelProto { graph: GraphProto { initializer: TensorProto { name: "w", external_data: { key: "location" } } } } */
const onnxWithExternalData = Uint8Array.from([0x3a, 0x11, 0x2a, 0x0f, 0x42, 0x01, 0x77, 0x6a, 0x0a, 0x0a, 0x08, ...Buffer.from("location")]);
const onnxWithoutTensors = Uint8Array.from([0x08, 0x08, 0x3a, 0x00]);

describe("loadModelFolder", () => {
  it("takes the shipped edge model with its measured accuracy, and names it by the hash of its manifest", async () => {
    const model = await loadModelFolder(edge);
    expect(model.info).toMatchObject({ name: "edge", kind: "cnn-lstm", trained: true, inputSizePx: 160, cropMargin: 1.1, window: 100, hop: 10 });
    expect(model.info.sha256).toBe(sha256(await readFile(join(edge, "manifest.json"))));
  });

  it("takes the scripted stand-in", async () => {
    expect((await loadModelFolder(join(modelsDir, "scripted"))).info).toMatchObject({ name: "scripted", kind: "scripted", trained: false });
  });

  it("says how to build the graphs of a model whose weights are not shipped", async () => {
    const path = await folder("unbuilt", { change: { name: "big", build: "PYTHONPATH=models/training python3 -m truecast_training export --model edge --out models/edge" } });
    await expect(loadModelFolder(path)).rejects.toMatchObject({ code: "setup-incomplete", message: expect.stringContaining("big: graphs not built") as string });
    await expect(loadModelFolder(path)).rejects.toThrow(/run: PYTHONPATH=models\/training python3 -m truecast_training export/);
    expect((await readManifest(path)).info.name).toBe("big");
  });

  it("describes resnext101-lstm without its graphs", async () => {
    expect((await readManifest(join(modelsDir, "resnext101-lstm"))).manifest).toMatchObject({ featureSize: 2048, hiddenSize: 2048, trained: false });
  });

  it("refuses a graph whose hash differs, naming file, expected and found", async () => {
    const good = { file: "backbone.onnx", sha256: "0".repeat(64) };
    const path = await folder("changed", { graphs: { backbone: onnxWithoutTensors, projection: onnxWithoutTensors, horizon: onnxWithoutTensors } });
    const manifest = JSON.parse(await readFile(join(path, "manifest.json"), "utf8")) as { graphs: object };
    await writeFile(join(path, "manifest.json"), JSON.stringify({ ...manifest, graphs: { ...manifest.graphs, backbone: good } }));
    await expect(loadModelFolder(path)).rejects.toMatchObject({
      code: "model-hash-mismatch",
      message: `${join(path, "backbone.onnx")}: expected sha256 ${"0".repeat(64)}, found ${sha256(onnxWithoutTensors)}`,
    });
  });

  it("refuses a graph that keeps tensors in another file", async () => {
    const path = await folder("external", { graphs: { backbone: onnxWithExternalData, projection: onnxWithoutTensors, horizon: onnxWithoutTensors } });
    await expect(loadModelFolder(path)).rejects.toMatchObject({ code: "model-invalid", message: expect.stringContaining("another file") as string });
  });

  it("refuses a graph that is not ONNX", async () => {
    const path = await folder("garbage", { graphs: { backbone: Buffer.from("<html>not found</html>"), projection: onnxWithoutTensors, horizon: onnxWithoutTensors } });
    await expect(loadModelFolder(path)).rejects.toMatchObject({ code: "model-invalid", message: expect.stringContaining("not an ONNX file") as string });
  });

  it("refuses a file name that leads out of the folder", async () => {
    const path = await folder("escape", { change: { graphs: { backbone: { file: "../edge.onnx", sha256: "0".repeat(64) }, projection: { file: "projection.onnx", sha256: "0".repeat(64) }, horizon: { file: "horizon.onnx", sha256: "0".repeat(64) } } } });
    await expect(loadModelFolder(path)).rejects.toMatchObject({ code: "model-invalid", message: expect.stringContaining("/graphs/backbone/file") as string });
  });

  it("refuses a link that leads out of the folder", async () => {
    const path = await folder("linked", { graphs: { backbone: onnxWithoutTensors, projection: onnxWithoutTensors, horizon: onnxWithoutTensors } });
    await rm(join(path, "backbone.onnx"));
    await symlink(join(edge, "backbone.onnx"), join(path, "backbone.onnx"));
    await expect(loadModelFolder(path)).rejects.toMatchObject({ code: "model-invalid", message: expect.stringContaining("leads out of its folder") as string });
  });

  it("says which folder it looked for when there is none", async () => {
    await expect(loadModelFolder(join(dir, "absent"))).rejects.toMatchObject({ code: "model-not-found", message: expect.stringContaining(join(dir, "absent")) as string });
  });
});

describe("parseManifest", () => {
  it.each([
    ["an unknown key", { colour: "red" }, /colour/],
    ["a window other than 100", { window: 50 }, /\/window/],
    ["bands that do not rise", { bands: { uncertain: 0.7, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 } }, /\/bands must rise/],
    ["a hash that is none", { graphs: { backbone: { file: "a.onnx", sha256: "abc" }, projection: { file: "b.onnx", sha256: "abc" }, horizon: { file: "c.onnx", sha256: "abc" } } }, /\/graphs\/backbone\/sha256/],
    ["an unknown kind", { kind: "magic" }, /\/kind/],
  ])("refuses %s, naming the key", async (_, change, message) => {
    const text = JSON.stringify({ ...(await edgeManifest()), ...change });
    expect(() => parseManifest(text, "m.json")).toThrow(message);
  });

  it("refuses what is not JSON", () => {
    expect(() => parseManifest("{", "m.json")).toThrow(/m\.json: not JSON/);
  });

  it("never lets a scripted model call itself trained", async () => {
    const scripted = JSON.parse(await readFile(join(modelsDir, "scripted", "manifest.json"), "utf8")) as object;
    expect(() => parseManifest(JSON.stringify({ ...scripted, trained: true }), "m.json")).toThrow(/\/trained/);
  });
});
