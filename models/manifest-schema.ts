/** The strict schema of a model folder's manifest.json. */
import { type Static, Type } from "typebox";

const Sha256 = Type.String({ pattern: "^[0-9a-f]{64}$", description: "SHA-256 of the file, lower-case hex." });
const Probability = Type.Number({ minimum: 0, maximum: 1 });
const strict = { additionalProperties: false };

/** A bare file name: a manifest can name no file outside its own folder. */
const Graph = Type.Object({ file: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*\\.onnx$", maxLength: 100 }), sha256: Sha256 }, strict);

const common = {
  name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,63}$" }),
  description: Type.String({ minLength: 1 }),
  licence: Type.String({ minLength: 1, description: "SPDX identifier of the weights' licence." }),
  trained: Type.Boolean({ description: "False: the model may run, but raises no alert, and every surface says so." }),
  training: Type.String({ minLength: 1, description: "How and on what it was trained." }),
  accuracy: Type.Union([Type.Record(Type.String(), Type.Number()), Type.Null()], { description: "Measured figures by name, or null." }),
  input: Type.Object(
    {
      sizePx: Type.Integer({ minimum: 16, maximum: 512, description: "Side of the square crop." }),
      colorOrder: Type.Literal("RGB"),
      normalization: Type.Literal("in-graph", { description: "Graphs take bytes and normalise them inside." }),
      cropMargin: Type.Number({ minimum: 1, maximum: 3, description: "Side of the crop over the longer side of the face box." }),
    },
    strict,
  ),
  sampleRateHz: Type.Literal(10),
  window: Type.Literal(100),
  hop: Type.Union([Type.Literal(5), Type.Literal(10), Type.Literal(20), Type.Literal(25), Type.Literal(50)]),
  bands: Type.Object({ uncertain: Probability, suspicious: Probability, manipulated: Probability, hysteresis: Probability }, strict),
};

export const CnnLstmManifest = Type.Object(
  {
    ...common,
    kind: Type.Literal("cnn-lstm"),
    featureSize: Type.Integer({ minimum: 1, maximum: 16384 }),
    hiddenSize: Type.Integer({ minimum: 1, maximum: 16384 }),
    macsPerCrop: Type.Optional(Type.Integer({ minimum: 1, description: "Multiply-accumulates of the backbone for one crop." })),
    classes: Type.Tuple([Type.Literal("authentic"), Type.Literal("manipulated")]),
    calibration: Type.Object({ temperature: Type.Number({ exclusiveMinimum: 0 }), bias: Type.Optional(Type.Number()) }, strict),
    graphs: Type.Object({ backbone: Graph, projection: Graph, horizon: Graph }, strict),
    build: Type.Optional(Type.String({ minLength: 1, description: "Command that writes the graphs, for models whose weights are not shipped." })),
  },
  strict,
);
export type CnnLstmManifest = Static<typeof CnnLstmManifest>;

export const ScriptedManifest = Type.Object(
  {
    ...common,
    kind: Type.Literal("scripted"),
    trained: Type.Literal(false),
    script: Type.Object(
      {
        defaultScore: Probability,
        stepMs: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000, description: "Milliseconds of processor time that each crop takes: brings about overload on any machine." })),
        variation: Type.Number({ minimum: 0, maximum: 0.2, description: "Largest deterministic deviation from a score, so that a line looks alive." }),
        entries: Type.Array(
          Type.Object(
            {
              stream: Type.String({ minLength: 1 }),
              tracks: Type.Optional(Type.Array(Type.Integer({ minimum: 1 }), { description: "Track numbers within the stream; all without it." })),
              startSlot: Type.Integer({ minimum: 0, description: "First slot of the media clock (10 a second) at which the score holds." }),
              endSlot: Type.Optional(Type.Integer({ minimum: 0, description: "First slot at which it no longer holds." })),
              score: Probability,
            },
            strict,
          ),
          { description: "The last entry that matches gives the score." },
        ),
      },
      strict,
    ),
  },
  strict,
);
export type ScriptedManifest = Static<typeof ScriptedManifest>;

export type ModelManifest = CnnLstmManifest | ScriptedManifest;
