/**
 * Runs face-api's TinyFaceDetector network in little memory: the same weights and numbers as its own `runMobilenet`.
 * That one keeps every intermediate tensor until the end, 289 MB of WebAssembly heap at 960×544, and such a heap never
 * shrinks; this one frees each as soon as it is used, pools before it activates and
 * runs the first layer in strips: 41 MB in the same time.
 */
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";

type Tensor4D = faceapi.tf.Tensor4D;

/** face-api carries its own tfjs, whose types leave out operations that its code has. */
const tf = faceapi.tf as typeof faceapi.tf & { readonly fused: { conv2d(options: FusedConvolution): Tensor4D }; leakyRelu(x: Tensor4D, alpha: number): Tensor4D };

interface FusedConvolution {
  readonly x: Tensor4D;
  readonly filter: Tensor4D;
  readonly strides: readonly [number, number];
  readonly pad: "valid" | "same";
  readonly bias: faceapi.tf.Tensor1D;
}

/** Rows of the picture in one strip of the first layer; even, so that pooling never straddles two strips. */
const STRIP_ROWS = 136;
/** As in face-api's `leaky`. */
const LEAKY_ALPHA = 0.10000000149011612;
const POOLED_LAYERS = ["conv1", "conv2", "conv3", "conv4"] as const;

interface Convolution {
  readonly filters: Tensor4D;
  readonly bias: faceapi.tf.Tensor1D;
}

interface SeparableConvolution {
  readonly depthwise_filter: Tensor4D;
  readonly pointwise_filter: Tensor4D;
  readonly bias: faceapi.tf.Tensor1D;
}

export interface TinyFaceParameters {
  readonly conv0: Convolution;
  readonly conv1: SeparableConvolution;
  readonly conv2: SeparableConvolution;
  readonly conv3: SeparableConvolution;
  readonly conv4: SeparableConvolution;
  readonly conv5: SeparableConvolution;
  readonly conv6?: SeparableConvolution;
  readonly conv7?: SeparableConvolution;
  readonly conv8: Convolution;
}

/** A normalised picture that is handed over in strips of rows, so that it never exists as one tensor. */
export interface PictureRows {
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGB floats of `rows` rows from `top` on; used up before the next call, so the array may be the same one again. */
  rows(top: number, rows: number): Float32Array;
}

/**
 * @returns `[1, rows, columns, values]`, the caller's to dispose.
 */
export function runTinyFaceNetwork(picture: PictureRows, parameters: TinyFaceParameters): Tensor4D {
  let x = firstLayer(picture, parameters.conv0);
  for (const name of POOLED_LAYERS) x = pooled(separable(x, parameters[name]), 2);
  x = pooled(separable(x, parameters.conv5), 1);
  if (parameters.conv6) x = leaky(separable(x, parameters.conv6));
  if (parameters.conv7) x = leaky(separable(x, parameters.conv7));
  const { filters, bias } = parameters.conv8;
  return replacing(x, (input) => tf.fused.conv2d({ x: input, filter: filters, strides: [1, 1], pad: "valid", bias }));
}

/** The strips are cut before they become tensors: the backend's slice would copy the whole picture for each. */
function firstLayer(picture: PictureRows, { filters, bias }: Convolution): Tensor4D {
  const rows = picture.heightPx - 2;
  const strips: Tensor4D[] = [];
  for (let top = 0; top < rows; top += STRIP_ROWS) {
    const stripRows = Math.min(STRIP_ROWS, rows - top) + 2;
    const strip = tf.tensor4d(picture.rows(top, stripRows), [1, stripRows, picture.widthPx, 3]);
    strips.push(pooled(replacing(strip, (x) => tf.fused.conv2d({ x, filter: filters, strides: [1, 1], pad: "valid", bias })), 2));
  }
  const [only] = strips;
  if (only !== undefined && strips.length === 1) return only;
  const joined = tf.concat(strips, 1);
  for (const strip of strips) strip.dispose();
  return joined;
}

/** Without its activation. */
function separable(x: Tensor4D, { depthwise_filter, pointwise_filter, bias }: SeparableConvolution): Tensor4D {
  const spread = replacing(x, (input) => tf.depthwiseConv2d(input, depthwise_filter, [1, 1], "same"));
  return replacing(spread, (input) => tf.fused.conv2d({ x: input, filter: pointwise_filter, strides: [1, 1], pad: "valid", bias }));
}

/** Activation after pooling: the leaky rectifier rises throughout, so the maximum is the same, of a quarter of the values. */
function pooled(x: Tensor4D, stride: 1 | 2): Tensor4D {
  return leaky(replacing(x, (input) => tf.maxPool(input, [2, 2], [stride, stride], "same")));
}

/** An operation of its own: fused into the convolution it takes the backend's slow path. */
function leaky(x: Tensor4D): Tensor4D {
  return replacing(x, (input) => tf.leakyRelu(input, LEAKY_ALPHA));
}

/** Applies a layer and frees its input. */
function replacing(input: Tensor4D, layer: (input: Tensor4D) => Tensor4D): Tensor4D {
  const output = layer(input);
  input.dispose();
  return output;
}
