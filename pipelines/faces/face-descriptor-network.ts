/**
 * Runs face-api's recognition network one block at a time: the same weights and, to float rounding, the same 128 numbers as
 * its own `computeFaceDescriptor`, which would hold its thread for the whole network. Bias and scale are folded into the
 * filters, so that each convolution is one operation.
 */
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";

type Tensor4D = faceapi.tf.Tensor4D;
type Tensor1D = faceapi.tf.Tensor1D;
type Tensor2D = faceapi.tf.Tensor2D;

/** face-api carries its own tfjs, whose types leave out operations that its code has. */
const tf = faceapi.tf as typeof faceapi.tf & { readonly fused: { conv2d(options: FusedConvolution): Tensor4D }; mean(x: Tensor4D, axes: readonly number[]): Tensor2D };

interface FusedConvolution {
  readonly x: Tensor4D;
  readonly filter: Tensor4D;
  readonly strides: readonly [number, number];
  readonly pad: "valid" | "same";
  readonly bias: Tensor1D;
  readonly activation?: "relu";
}

/** Side of the square picture that the network takes. */
export const DESCRIPTOR_INPUT_PX = 150;
const MEAN_RGB = [122.782, 117.001, 104.298] as const;

interface Layer {
  readonly conv: { readonly filters: Tensor4D; readonly bias: Tensor1D };
  readonly scale: { readonly weights: Tensor1D; readonly biases: Tensor1D };
}
interface Block<L> {
  readonly conv1: L;
  readonly conv2: L;
}
interface Folded {
  readonly filter: Tensor4D;
  readonly bias: Tensor1D;
}

const BLOCKS = [
  "conv32_1", "conv32_2", "conv32_3",
  "conv64_down", "conv64_1", "conv64_2", "conv64_3",
  "conv128_down", "conv128_1", "conv128_2",
  "conv256_down", "conv256_1", "conv256_2", "conv256_down_out",
] as const;
type BlockName = (typeof BLOCKS)[number];

export type RecognitionParameters = Readonly<Record<BlockName, Block<Layer>>> & { readonly conv32_down: Layer; readonly fc: Tensor2D };

export interface DescriptorNetwork {
  readonly first: Folded;
  readonly blocks: readonly { readonly halves: boolean; readonly conv1: Folded; readonly conv2: Folded }[];
  readonly fc: Tensor2D;
}

/** Takes the parameters over: each layer's are freed as they are folded, so that the two are never there together. */
export function foldParameters(parameters: RecognitionParameters): DescriptorNetwork {
  return {
    first: fold(parameters.conv32_down),
    blocks: BLOCKS.map((name) => ({ halves: name.includes("_down"), conv1: fold(parameters[name].conv1), conv2: fold(parameters[name].conv2) })),
    fc: parameters.fc,
  };
}

/**
 * Give it time to others between its steps; the numbers come with the last.
 * @param rgb RGB24, DESCRIPTOR_INPUT_PX square: a face and a little around it
 */
export function* describeFace(network: DescriptorNetwork, rgb: Uint8Array): Generator<undefined, Float32Array> {
  let x = replacing(input(rgb), (picture) => convolved(picture, network.first, 2));
  x = replacing(x, (features) => tf.maxPool(features, 3, 2, "valid"));
  try {
    for (const block of network.blocks) {
      yield;
      x = replacing(x, (features) => tf.tidy(() => residual(features, block)));
    }
    yield;
    return tf.tidy(() => (tf.matMul(tf.mean(x, [1, 2]), network.fc) as Tensor2D).dataSync() as Float32Array).slice();
  } finally {
    // Also when nobody asks for the steps that are left.
    x.dispose();
  }
}

function fold({ conv, scale }: Layer): Folded {
  const folded = tf.tidy(() => ({
    filter: tf.mul(conv.filters, scale.weights) as Tensor4D,
    bias: tf.add(tf.mul(conv.bias, scale.weights), scale.biases) as Tensor1D,
  }));
  for (const used of [conv.filters, conv.bias, scale.weights, scale.biases]) used.dispose();
  return folded;
}

function input(rgb: Uint8Array): Tensor4D {
  const values = new Float32Array(rgb.length);
  for (let i = 0; i < rgb.length; i++) values[i] = (rgb[i]! - MEAN_RGB[i % 3]!) / 255;
  return tf.tensor4d(values, [1, DESCRIPTOR_INPUT_PX, DESCRIPTOR_INPUT_PX, 3]);
}

/** Within a tidy. */
function residual(x: Tensor4D, { halves, conv1, conv2 }: DescriptorNetwork["blocks"][number]): Tensor4D {
  const out = convolved(convolved(x, conv1, halves ? 2 : 1), conv2, 1, false);
  if (!halves) return tf.relu(tf.add(out, x));
  const pooled = tf.avgPool(x, 2, 2, "valid") as Tensor4D;
  const [, height, width, channels] = pooled.shape;
  const [, outHeight, outWidth, outChannels] = out.shape;
  // Where the strided convolution comes out a row and a column short, and where the channels double, zeros fill up.
  const sized = tf.pad(out, [[0, 0], [0, height - outHeight], [0, width - outWidth], [0, 0]]) as Tensor4D;
  const widened = tf.pad(pooled, [[0, 0], [0, 0], [0, 0], [0, outChannels - channels]]) as Tensor4D;
  return tf.relu(tf.add(widened, sized));
}

function convolved(x: Tensor4D, { filter, bias }: Folded, stride: 1 | 2, activate = true): Tensor4D {
  return tf.fused.conv2d({ x, filter, bias, strides: [stride, stride], pad: stride === 1 ? "same" : "valid", ...(activate ? { activation: "relu" } : {}) });
}

/** Applies a layer and frees its input. */
function replacing(input: Tensor4D, layer: (input: Tensor4D) => Tensor4D): Tensor4D {
  const output = layer(input);
  input.dispose();
  return output;
}
