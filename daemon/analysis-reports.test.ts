import pino from "pino";
import { expect, test } from "vitest";
import { takeAnalysisReport } from "./analysis-reports.ts";
import { alertRuleSettings } from "./alerts/alert-settings.ts";
import { startAlertEngine } from "./alerts/alert-engine.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { createObserver } from "./metrics/observe.ts";
import { openStore } from "./store/store.ts";
import { StreamRegistry } from "./streams/stream-registry.ts";

test("a publisher that goes on after a silence is live with the next frame that is analysed, though frames never stopped", async () => {
  const log = pino({ level: "silent" });
  const registry = new StreamRegistry({ names: ["camera"], graceMs: 0, onChange: () => undefined, onOver: () => undefined });
  const metrics = createMetrics({ version: "0", maxStreams: 1 });
  await using store = openStore({ path: ":memory:", log });
  const settings = { threshold: null, hysteresis: 0.05, dwellMs: 0, resolveMs: 0, coolDownMs: 0, minFrames: 40 } as const;
  await using alerts = startAlertEngine({ store, model: { name: "scripted", sha256: "00", kind: "scripted", trained: false }, rules: () => alertRuleSettings(settings, undefined, 0.8), onTransition: () => undefined, log });
  const take = (report: Parameters<typeof takeAnalysisReport>[0]): void =>
    takeAnalysisReport(report, { component: "analysis-0", registry, alerts, evidence: null, metrics, observe: createObserver(metrics), broadcast: () => undefined });
  const view = { type: "view", stream: "camera", ptsMs: 0, verdict: { kind: "unscored", reason: "no-face", score: null }, faces: [] } as const;

  registry.apply("camera", { kind: "published", session: { sessionId: "s1", protocol: "rtmp", connectedAt: 1 } });
  take({ type: "frames-flow", stream: "camera" });
  registry.apply("camera", { kind: "stalled", sessionId: "s1", reason: { code: "publisher-stalled", message: "silent" } });
  // Frames from before the silence are still being analysed: no reason to call it live.
  take(view);
  expect(registry.stream("camera")?.state).toBe("stalled");
  registry.apply("camera", { kind: "resumed", sessionId: "s1" });
  expect(registry.stream("camera")?.state).toBe("starting");
  take(view);
  expect(registry.stream("camera")?.state).toBe("live");
});
