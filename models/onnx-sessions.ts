/** Opens a model's ONNX graphs on one execution provider, and proves by a run that the provider really works. */
import { InferenceSession, env } from "onnxruntime-node";
import { TruecastError } from "../pipelines/errors.ts";
import type { CnnLstmManifest } from "./manifest-schema.ts";
import type { GraphPaths } from "./manifest.ts";

export const PROVIDERS = ["auto", "cpu", "cuda", "webgpu"] as const;
export type ProviderChoice = (typeof PROVIDERS)[number];
export type Provider = Exclude<ProviderChoice, "auto">;

/** What `auto` tries, best first. WebGPU is left out: drivers differ too much in the figures they give. */
const AUTO_ORDER: readonly Provider[] = ["cuda", "cpu"];

export interface GraphSessions {
  readonly provider: Provider;
  readonly backbone: InferenceSession;
  readonly projection: InferenceSession;
  readonly horizon: InferenceSession;
}

export interface OpenOptions {
  readonly paths: GraphPaths;
  readonly manifest: CnnLstmManifest;
  readonly provider: ProviderChoice;
  /** CPU threads of one inference; 0 is one a core. */
  readonly intraOpNumThreads: number;
  /** Runs one inference; a provider that loads but cannot run is refused by it. */
  readonly warmUp: (sessions: GraphSessions) => Promise<void>;
  /** Told of each provider that `auto` passed over. */
  readonly onPassedOver?: (provider: Provider, reason: string) => void;
}

/**
 * @throws TruecastError provider-unavailable: the wished-for provider does not load, or would leave nodes to the CPU.
 * @throws TruecastError model-invalid: the graphs do not load anywhere, or their shapes are not the manifest's.
 */
export async function openGraphs(options: OpenOptions): Promise<GraphSessions> {
  // The reason of a failed load comes as an exception; ONNX Runtime would print it to standard error as well.
  env.logLevel = "fatal";
  if (options.provider !== "auto") return await openOn(options.provider, options);
  for (const provider of AUTO_ORDER) {
    if (provider === "cpu") break;
    try {
      return await openOn(provider, options);
    } catch (error) {
      if (!(error instanceof TruecastError) || error.code !== "provider-unavailable") throw error;
      options.onPassedOver?.(provider, error.message);
    }
  }
  return await openOn("cpu", options);
}

async function openOn(provider: Provider, { paths, manifest, intraOpNumThreads, warmUp }: OpenOptions): Promise<GraphSessions> {
  const opened: InferenceSession[] = [];
  const open = async (path: string): Promise<InferenceSession> => {
    const session = await InferenceSession.create(path, sessionOptions(provider, intraOpNumThreads));
    opened.push(session);
    return session;
  };
  try {
    const sessions: GraphSessions = { provider, backbone: await open(paths.backbone), projection: await open(paths.projection), horizon: await open(paths.horizon) };
    checkShapes(sessions, manifest);
    await warmUp(sessions);
    return sessions;
  } catch (error) {
    for (const session of opened) await session.release();
    if (error instanceof TruecastError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (provider === "cpu") throw new TruecastError("model-invalid", `${manifest.name}: ONNX Runtime refuses the graphs: ${reason}`, { cause: error });
    throw new TruecastError("provider-unavailable", `${provider}: ${reason}`, { cause: error });
  }
}

/** How graphs are opened for the live service. */
export function sessionOptions(provider: Provider, intraOpNumThreads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    ...(intraOpNumThreads > 0 && { intraOpNumThreads }),
    extra: {
      session: {
        // Idle threads would spin on cores that decoders need: at a live pace that is 20 ms of CPU a crop of `edge` instead of 6.
        intra_op: { allow_spinning: "0" },
        set_denormal_as_zero: "1",
        // Without this a GPU session quietly leaves what it cannot do to the CPU.
        ...(provider !== "cpu" && { disable_cpu_ep_fallback: "1" }),
      },
    },
  };
}

export async function releaseGraphs({ backbone, projection, horizon }: GraphSessions): Promise<void> {
  for (const session of [backbone, projection, horizon]) await session.release();
}

/** Number: that very size. `null`: free. */
type Shape = readonly (number | null)[];

function checkShapes({ backbone, projection, horizon }: GraphSessions, manifest: CnnLstmManifest): void {
  const size = manifest.input.sizePx;
  const state: Shape = [null, null, manifest.hiddenSize];
  const gates: Shape = [null, 4 * manifest.hiddenSize];
  const check = (graph: string, metadata: readonly InferenceSession.ValueMetadata[], expected: Record<string, { type: string; shape: Shape }>): void => {
    for (const [name, { type, shape }] of Object.entries(expected)) {
      const found = metadata.find((value) => value.name === name);
      if (!found?.isTensor || found.type !== type || !fits(found.shape, shape)) {
        const described = found?.isTensor ? `${found.type} [${found.shape.join(", ")}]` : "nothing";
        throw new TruecastError("model-invalid", `${manifest.name}: ${graph} must have ${name} as ${type} [${shape.map((dim) => dim ?? "any").join(", ")}], found ${described}`);
      }
    }
    if (metadata.length !== Object.keys(expected).length) throw new TruecastError("model-invalid", `${manifest.name}: ${graph} has other inputs or outputs than ${Object.keys(expected).join(", ")}`);
  };
  check("backbone", backbone.inputMetadata, { crops: { type: "uint8", shape: [null, size, size, 3] } });
  check("backbone", backbone.outputMetadata, { features: { type: "float32", shape: [null, manifest.featureSize] } });
  check("projection", projection.inputMetadata, { features: { type: "float32", shape: [null, manifest.featureSize] } });
  check("projection", projection.outputMetadata, { gates: { type: "float32", shape: gates } });
  check("horizon", horizon.inputMetadata, { gates: { type: "float32", shape: gates }, h: { type: "float32", shape: state }, c: { type: "float32", shape: state } });
  check("horizon", horizon.outputMetadata, { h_next: { type: "float32", shape: state }, c_next: { type: "float32", shape: state }, score: { type: "float32", shape: [null, null] } });
}

/** A free dimension of the graph must be free here too: a batch of any size has to fit. */
function fits(found: readonly (number | string)[], expected: Shape): boolean {
  return found.length === expected.length && expected.every((dim, index) => (dim === null ? typeof found[index] !== "number" : found[index] === dim));
}
