/** Truecast's own metrics as they are registered; those of Node and of the process differ between platforms and are left out. */
import { defineInstruments } from "../definitions.ts";

export interface DefinedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

export function definedMetrics(): readonly DefinedMetric[] {
  // prom-client's types leave out `labelNames`, which every metric has.
  const all = defineInstruments().registry.getMetricsAsArray() as unknown as readonly DefinedMetric[];
  return all.filter(({ name }) => !/^truecast_(process|nodejs)_/.test(name));
}
