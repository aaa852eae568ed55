/** The metrics of one pulled stream's source: there from the first word of it, gone when the stream is. */
import type { ErrorCode } from "../../pipelines/errors.ts";
import { SOURCE_STATES, type Source } from "../protocol.ts";
import type { Instruments } from "./definitions.ts";

export interface SourceMetrics {
  state(state: Source["state"]): void;
  attempt(): void;
  /** Codes come from the one table, and appear when they first happen. */
  failure(code: ErrorCode): void;
}

export interface SourceMetricsEntry {
  readonly metrics: SourceMetrics;
  remove(): void;
}

export function createSourceMetrics({ sourceState, sourceAttempts, sourceFailures }: Instruments, stream: string): SourceMetricsEntry {
  const codes = new Set<ErrorCode>();
  sourceAttempts.inc({ stream }, 0);
  return {
    metrics: {
      state(state) {
        for (const each of SOURCE_STATES) sourceState.set({ stream, state: each }, each === state ? 1 : 0);
      },
      attempt: () => sourceAttempts.inc({ stream }),
      failure(code) {
        codes.add(code);
        sourceFailures.inc({ stream, code });
      },
    },
    remove() {
      sourceAttempts.remove({ stream });
      for (const state of SOURCE_STATES) sourceState.remove({ stream, state });
      for (const code of codes) sourceFailures.remove({ stream, code });
    },
  };
}
