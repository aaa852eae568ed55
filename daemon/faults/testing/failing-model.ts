/** A model folder whose backbone really fails in ONNX Runtime, on bright crops only: `edge` with another first graph. */
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { protobuf } from "../../inference/matmul-graph.ts";

const EDGE = fileURLToPath(new URL("../../../models/edge", import.meta.url));

/** Writes `modelsDir`/edge. @param failsFrom mean of a crop's bytes from which the model fails */
export async function writeFailingModel(modelsDir: string, failsFrom: number): Promise<void> {
  const folder = join(modelsDir, "edge");
  await mkdir(modelsDir, { recursive: true });
  await cp(EDGE, folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { readonly input: { readonly sizePx: number }; readonly featureSize: number; readonly graphs: object };
  const backbone = brightnessGraph({ sizePx: manifest.input.sizePx, featureSize: manifest.featureSize, failsFrom });
  const sha256 = createHash("sha256").update(backbone).digest("hex");
  await writeFile(join(folder, "backbone.onnx"), backbone);
  await writeFile(join(folder, "manifest.json"), JSON.stringify({ ...manifest, graphs: { ...manifest.graphs, backbone: { file: "backbone.onnx", sha256 } } }));
}

const FLOAT = 1;
const UINT8 = 2;
const INT64 = 7;

/** Looks up a feature by the crop's mean in a table of a single row: past `failsFrom` the index is out of its bounds. */
function brightnessGraph({ sizePx, featureSize, failsFrom }: { sizePx: number; featureSize: number; failsFrom: number }): Buffer {
  const dimension = (size: number | string): Buffer => protobuf([typeof size === "number" ? 1 : 2, size]);
  const value = (name: string, type: number, shape: readonly (number | string)[]): Buffer =>
    protobuf([1, name], [2, protobuf([1, protobuf([1, type], [2, protobuf(...shape.map((size) => [1, dimension(size)] as const))])])]);
  const integer = (name: string, number: number): Buffer => protobuf([1, name], [3, number], [20, 2]);
  const integers = (name: string, numbers: readonly number[]): Buffer => protobuf([1, name], ...numbers.map((number) => [8, number] as const), [20, 7]);
  const node = (type: string, inputs: readonly string[], output: string, ...attributes: readonly Buffer[]): Buffer =>
    protobuf(...inputs.map((name) => [1, name] as const), [2, output], [4, type], ...attributes.map((attribute) => [5, attribute] as const));
  const constant = (name: string, shape: readonly number[], floats: Float32Array): Buffer =>
    protobuf(...shape.map((size) => [1, size] as const), [2, FLOAT], [8, name], [9, Buffer.from(floats.buffer)]);

  const nodes = [
    node("Cast", ["crops"], "bytes", integer("to", FLOAT)),
    node("ReduceMean", ["bytes"], "mean", integers("axes", [1, 2, 3]), integer("keepdims", 0)),
    node("Mul", ["mean", "scale"], "scaled"),
    node("Cast", ["scaled"], "index", integer("to", INT64)),
    node("Gather", ["table", "index"], "features"),
  ];
  const graph = protobuf(
    ...nodes.map((bytes) => [1, bytes] as const),
    [2, "brightness"],
    [5, constant("scale", [], new Float32Array([1 / failsFrom]))],
    [5, constant("table", [1, featureSize], new Float32Array(featureSize))],
    [11, value("crops", UINT8, ["n", sizePx, sizePx, 3])],
    [12, value("features", FLOAT, ["n", featureSize])],
  );
  return protobuf([1, 8], [8, protobuf([1, ""], [2, 17])], [7, graph]);
}
