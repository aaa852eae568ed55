/** Reads and verifies model folders: the manifest against its schema, the graphs against their hashes. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import { TruecastError } from "../pipelines/errors.ts";
import type { ModelInfo } from "../pipelines/types.ts";
import { CnnLstmManifest, type ModelManifest, ScriptedManifest } from "./manifest-schema.ts";
import { hasExternalData } from "./onnx-file.ts";

const MAX_MANIFEST_BYTES = 1 << 20;
const MAX_ERRORS_NAMED = 3;

export interface GraphPaths {
  readonly backbone: string;
  readonly projection: string;
  readonly horizon: string;
}

/** A folder whose manifest is valid, and whose graphs are those that the manifest names. */
export type ModelFolder = { readonly info: ModelInfo } & (
  | { readonly kind: "cnn-lstm"; readonly manifest: CnnLstmManifest; readonly paths: GraphPaths }
  | { readonly kind: "scripted"; readonly manifest: ScriptedManifest }
);

/**
 * Reads and verifies a model folder; reads every byte of the graphs.
 * @throws TruecastError model-not-found, model-invalid, model-hash-mismatch, setup-incomplete (graphs not built)
 */
export async function loadModelFolder(dir: string): Promise<ModelFolder> {
  const { manifest, info } = await readManifest(dir);
  if (manifest.kind === "scripted") return { kind: "scripted", manifest, info };
  const backbone = await verifiedGraph(dir, manifest, manifest.graphs.backbone);
  const projection = await verifiedGraph(dir, manifest, manifest.graphs.projection);
  const horizon = await verifiedGraph(dir, manifest, manifest.graphs.horizon);
  return { kind: "cnn-lstm", manifest, info, paths: { backbone, projection, horizon } };
}

/**
 * Reads the manifest alone: enough to describe the model, without touching its graphs.
 * @throws TruecastError model-not-found, model-invalid
 */
export async function readManifest(dir: string): Promise<{ manifest: ModelManifest; info: ModelInfo }> {
  const path = join(dir, "manifest.json");
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > MAX_MANIFEST_BYTES) throw new TruecastError("model-invalid", `${path}: larger than ${MAX_MANIFEST_BYTES} bytes`);
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof TruecastError) throw error;
    throw new TruecastError("model-not-found", `${dir}: no model folder here (${path} cannot be read)`, { cause: error });
  }
  const manifest = parseManifest(bytes.toString("utf8"), path);
  return { manifest, info: infoOf(manifest, createHash("sha256").update(bytes).digest("hex")) };
}

/** @throws TruecastError model-invalid, naming key, value and rule. */
export function parseManifest(text: string, source: string): ModelManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TruecastError("model-invalid", `${source}: not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const manifest = checked(value, source);
  const { uncertain, suspicious, manipulated } = manifest.bands;
  if (!(uncertain < suspicious && suspicious < manipulated)) throw new TruecastError("model-invalid", `${source}: /bands must rise: uncertain < suspicious < manipulated`);
  return manifest;
}

function checked(value: unknown, source: string): ModelManifest {
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  // Checked by kind, because the errors of a union name every key of every other kind.
  if (kind === "scripted") {
    if (Value.Check(ScriptedManifest, value)) return value;
    throw mismatch(ScriptedManifest, value, source);
  }
  if (Value.Check(CnnLstmManifest, value)) return value;
  throw mismatch(CnnLstmManifest, value, source);
}

function mismatch(schema: TSchema, value: unknown, source: string): TruecastError {
  const named = Value.Errors(schema, value)
    .slice(0, MAX_ERRORS_NAMED)
    .map((error) => {
      const extra = error.keyword === "additionalProperties" ? ` (${error.params.additionalProperties.join(", ")})` : "";
      return `${error.instancePath === "" ? "/" : error.instancePath} ${error.message}${extra}`;
    });
  return new TruecastError("model-invalid", `${source}: ${named.join("; ")}`);
}

function infoOf(manifest: ModelManifest, sha256: string): ModelInfo {
  return {
    name: manifest.name,
    kind: manifest.kind,
    trained: manifest.trained,
    sha256,
    inputSizePx: manifest.input.sizePx,
    cropMargin: manifest.input.cropMargin,
    window: manifest.window,
    hop: manifest.hop,
    bands: manifest.bands,
  };
}

async function verifiedGraph(dir: string, manifest: CnnLstmManifest, graph: { file: string; sha256: string }): Promise<string> {
  const path = resolve(dir, graph.file);
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (manifest.build !== undefined) throw new TruecastError("setup-incomplete", `${manifest.name}: graphs not built (${path} is missing); run: ${manifest.build}`, { cause: error });
    throw new TruecastError("model-invalid", `${manifest.name}: ${path} is missing`, { cause: error });
  }
  // A mounted folder may be made of links, but none may lead out of it.
  if (dirname(real) !== (await realpath(dir))) throw new TruecastError("model-invalid", `${manifest.name}: ${graph.file} leads out of its folder to ${real}`);
  const found = await sha256Of(real);
  if (found !== graph.sha256) throw new TruecastError("model-hash-mismatch", `${path}: expected sha256 ${graph.sha256}, found ${found}`);
  let external: boolean;
  try {
    external = hasExternalData(real);
  } catch (error) {
    throw new TruecastError("model-invalid", `${path}: not an ONNX file: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (external) throw new TruecastError("model-invalid", `${path}: keeps tensors in another file; export it as a single file`);
  return real;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
