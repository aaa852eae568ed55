/** Decides when a silent publisher is reported, resumed and ended. Pure: time comes in with each call. */
import type { IngestLimits } from "./limits.ts";

export type LivenessLimits = Pick<IngestLimits, "stallWarnMs" | "stallEndMs" | "noVideoMs">;

export type LivenessState = { readonly kind: "live" } | { readonly kind: "no-video" } | { readonly kind: "stalled"; readonly sinceMs: number };

export type LivenessChange = { readonly kind: "stalled" | "no-video" | "end"; readonly silentMs: number } | { readonly kind: "resumed" };

export interface PublisherLiveness {
  readonly state: LivenessState;
  /** A whole media packet came in. */
  packet(kind: "audio" | "video", nowMs: number): LivenessChange | null;
  tick(nowMs: number): LivenessChange | null;
}

export function createPublisherLiveness(limits: LivenessLimits, startMs: number): PublisherLiveness {
  let state: LivenessState = { kind: "live" };
  let lastMediaMs = startMs;
  let lastVideoMs = startMs;

  return {
    get state() {
      return state;
    },
    packet(kind, nowMs) {
      lastMediaMs = nowMs;
      if (kind === "video") lastVideoMs = nowMs;
      if (state.kind === "live" || (state.kind === "no-video" && kind === "audio")) return null;
      state = { kind: "live" };
      return { kind: "resumed" };
    },
    tick(nowMs) {
      const silentMs = nowMs - lastMediaMs;
      if (state.kind === "stalled") return nowMs - state.sinceMs >= limits.stallEndMs ? { kind: "end", silentMs } : null;
      if (silentMs >= limits.stallWarnMs) {
        state = { kind: "stalled", sinceMs: nowMs };
        return { kind: "stalled", silentMs };
      }
      if (state.kind === "live" && nowMs - lastVideoMs >= limits.noVideoMs) {
        state = { kind: "no-video" };
        return { kind: "no-video", silentMs: nowMs - lastVideoMs };
      }
      return null;
    },
  };
}
