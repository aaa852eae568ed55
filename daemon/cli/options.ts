/** Options of the command line that need checking. */
import type { ProviderChoice } from "../../models/onnx-sessions.ts";
import { TruecastError } from "../../pipelines/errors.ts";

const PROVIDERS: readonly ProviderChoice[] = ["auto", "cpu", "cuda", "webgpu"];

/** @throws TruecastError config-invalid */
export function providerOption(text: string): ProviderChoice {
  const provider = PROVIDERS.find((name) => name === text);
  if (provider === undefined) throw new TruecastError("config-invalid", `--provider is "${text}" but must be one of ${PROVIDERS.join(", ")}`);
  return provider;
}

/** @throws TruecastError config-invalid, naming the option, its value and the rule */
export function numberOption(name: string, text: string, { min, max, step }: { readonly min: number; readonly max: number; readonly step?: number }): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const inSteps = step === undefined || Number.isInteger(value / step);
  if (!Number.isFinite(value) || value < min || value > max || !inSteps) {
    const kind = step === undefined ? "a number" : step === 1 ? "a whole number" : `a multiple of ${step}`;
    throw new TruecastError("config-invalid", `--${name} is "${text}" but must be ${kind} from ${min} to ${max}`);
  }
  return value;
}
