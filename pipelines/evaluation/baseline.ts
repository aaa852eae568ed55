/**
 * The trivial baseline: a logistic regression on bit rate, resolution and sharpness. It sees no face. Where it does well,
 * the clips tell real from fake by how they were made, and a detector's figure on them proves little.
 */
import type { EvaluatedClip, Judged } from "./scored-clip.ts";

/** Weight of the squared coefficients; features are standardised. Keeps separable sets finite. */
const RIDGE = 0.1;
const MAX_STEPS = 50;

/**
 * Each clip is judged by a regression on the clips of all other groups. Clips without crops have no sharpness and are
 * left out, like those whose regression would have seen one class only.
 */
export function baselineScores(clips: readonly EvaluatedClip[]): (Judged & { readonly file: string })[] {
  const rows = clips.flatMap(({ file, label, group, clues }) => {
    if (clues === null || clues.sharpness === null) return [];
    const { bitrateKbps, widthPx, heightPx, sharpness } = clues;
    return [{ file, label, group, features: [Math.log(bitrateKbps), Math.log(widthPx * heightPx), Math.log(sharpness)] }];
  });
  return [...new Set(rows.map(({ group }) => group))].flatMap((group) => {
    const others = rows.filter((row) => row.group !== group);
    if (new Set(others.map(({ label }) => label)).size < 2) return [];
    const predict = fitLogisticRegression(others.map(({ features }) => features), others.map(({ label }) => (label === "fake" ? 1 : 0)));
    return rows.filter((row) => row.group === group).map(({ file, label, features }) => ({ file, label, group, score: predict(features) }));
  });
}

/**
 * By Newton's method (iteratively reweighted least squares) on standardised features. Both classes weigh the same: a
 * fold that is short of one class, because the clip left out is of it, would otherwise lean the wrong way, and features
 * that tell nothing would give an area under one half.
 * @returns probability of class 1
 */
export function fitLogisticRegression(features: readonly (readonly number[])[], labels: readonly (0 | 1)[]): (row: readonly number[]) => number {
  const width = features[0]?.length ?? 0;
  const scale = Array.from({ length: width }, (_, column) => standardisation(features.map((row) => row[column] ?? 0)));
  const standardise = (row: readonly number[]): number[] => [1, ...scale.map(({ mean, deviation }, column) => ((row[column] ?? 0) - mean) / deviation)];
  const rows = features.map(standardise);
  const positives = labels.filter((label) => label === 1).length;
  const shares = [labels.length - positives, positives].map((count) => labels.length / (2 * Math.max(count, 1)));
  let weights = Array.from({ length: width + 1 }, () => 0);
  for (let step = 0; step < MAX_STEPS; step++) {
    const gradient = weights.map((weight, index) => (index === 0 ? 0 : -RIDGE * weight));
    // A whisper of ridge on the intercept too: a step must exist even where every probability is 0 or 1.
    const curvature = weights.map((_, index) => weights.map((_unused, other): number => (index !== other ? 0 : index === 0 ? 1e-6 : RIDGE)));
    for (const [index, row] of rows.entries()) {
      const probability = sigmoid(dot(weights, row));
      const truth = labels[index] ?? 0;
      const share = shares[truth] ?? 1;
      for (const [a, valueA] of row.entries()) {
        gradient[a] = gradient[a]! + share * (truth - probability) * valueA;
        for (const [b, valueB] of row.entries()) curvature[a]![b] = curvature[a]![b]! + share * probability * (1 - probability) * valueA * valueB;
      }
    }
    const change = solve(curvature, gradient);
    weights = weights.map((weight, index) => weight + (change[index] ?? 0));
    if (Math.max(...change.map(Math.abs)) < 1e-9) break;
  }
  // Rounded, so that clips that differ in nothing are tied and not ordered by the noise of the arithmetic.
  return (row) => Number(sigmoid(dot(weights, standardise(row))).toFixed(9));
}

function standardisation(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  // A column that does not vary (one bit rate for all) tells nothing.
  return { mean, deviation: variance > 1e-12 ? Math.sqrt(variance) : 1 };
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

/** Gaussian elimination with pivots; the matrix is small and positive definite. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, index) => [...row, right[index] ?? 0]);
  for (let column = 0; column < rows.length; column++) {
    const pivot = rows.slice(column).reduce((best, row, offset) => (Math.abs(row[column]!) > Math.abs(rows[best]![column]!) ? column + offset : best), column);
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    for (const row of rows.slice(column + 1)) {
      const factor = row[column]! / rows[column]![column]!;
      for (let at = column; at < row.length; at++) row[at] = row[at]! - factor * rows[column]![at]!;
    }
  }
  const solution = rows.map(() => 0);
  for (let index = rows.length - 1; index >= 0; index--) {
    const row = rows[index]!;
    const known = solution.reduce((sum, value, at) => (at > index ? sum + value * row[at]! : sum), 0);
    solution[index] = (row.at(-1)! - known) / row[index]!;
  }
  return solution;
}
