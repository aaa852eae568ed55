/** Turns a network's raw probability into a calibrated one. */

/** Temperature and bias on the logit (Guo et al., On Calibration of Modern Neural Networks, ICML 2017). */
export interface Calibration {
  readonly temperature: number;
  readonly bias?: number;
}

/** Keeps the logit finite where a float32 softmax has saturated. */
const EDGE = 1e-7;

export function calibrate(probability: number, { temperature, bias = 0 }: Calibration): number {
  if (temperature === 1 && bias === 0) return probability;
  const inside = Math.min(1 - EDGE, Math.max(EDGE, probability));
  return 1 / (1 + Math.exp(-(Math.log(inside / (1 - inside)) / temperature + bias)));
}
