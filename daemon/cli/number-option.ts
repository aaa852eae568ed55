/** Numbers given on the command line. */
import { TruecastError } from "../../pipelines/errors.ts";

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
