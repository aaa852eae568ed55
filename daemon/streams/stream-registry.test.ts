import { expect, test } from "vitest";
import type { Verdict } from "../../pipelines/types.ts";
import { StreamRegistry } from "./stream-registry.ts";

const manipulated: Verdict = { kind: "manipulated", score: 0.97, frames: 100, coverage: 1 };
const session = { sessionId: "s1", protocol: "rtmp", connectedAt: 5 } as const;
const reason = { code: "publisher-stalled", message: "connection closed" } as const;
const face = { trackId: 1, box: { x: 0.1, y: 0.1, width: 0.2, height: 0.2 }, verdict: manipulated, firstSeenAt: 1, lastSeenAt: 2 };

function create() {
  const clock = { nowMs: 0 };
  const over: string[] = [];
  const changed: string[] = [];
  const registry = new StreamRegistry({
    names: ["studio"],
    graceMs: 15_000,
    onChange: (name) => changed.push(name),
    onOver: (name) => over.push(name),
    nowMs: () => clock.nowMs,
    wallMs: () => 1_000_000 + clock.nowMs,
  });
  return { registry, clock, over, changed };
}

function live(registry: StreamRegistry): void {
  registry.apply("studio", { kind: "published", session });
  registry.apply("studio", { kind: "frame" });
  registry.setView("studio", { verdict: manipulated, faces: [face] });
}

test("a configured stream without a publisher is waiting and offline", () => {
  expect(create().registry.stream("studio")).toMatchObject({ state: "waiting", publisher: null, verdict: { kind: "unscored", reason: "offline" }, tracks: [] });
});

test("a live stream shows the verdict of its faces", () => {
  const { registry } = create();
  live(registry);
  expect(registry.stream("studio")).toMatchObject({ state: "live", verdict: manipulated, tracks: [{ id: 1, verdict: manipulated }] });
});

test("a verdict is never kept past its stream: reconnecting is offline, stalled has no video", () => {
  const { registry } = create();
  live(registry);
  registry.apply("studio", { kind: "stalled", sessionId: "s1", reason });
  expect(registry.stream("studio")).toMatchObject({ verdict: { reason: "no-video" }, tracks: [{ verdict: { kind: "unscored", reason: "no-video" } }] });
  registry.apply("studio", { kind: "publisher-lost", sessionId: "s1", reason });
  expect(registry.stream("studio")).toMatchObject({ state: "reconnecting", verdict: { reason: "offline" }, tracks: [] });
});

test("a stalled stream without video has no video, one whose decoder recovers says that", () => {
  const { registry } = create();
  live(registry);
  registry.apply("studio", { kind: "stalled", sessionId: "s1", reason: { code: "no-video", message: "sound alone" } });
  expect(registry.stream("studio")?.verdict).toMatchObject({ reason: "no-video" });
  registry.apply("studio", { kind: "frame" });
  registry.apply("studio", { kind: "decoder-recovering", reason: { code: "decoder-stalled", message: "no frames" } });
  expect(registry.stream("studio")?.verdict).toMatchObject({ reason: "decoder-recovering" });
});

test("a verdict that nothing renews for two seconds is unscored, and one change is told", () => {
  const { registry, clock, changed } = create();
  live(registry);
  clock.nowMs = 2_000;
  registry.tick();
  expect(registry.stream("studio")?.verdict).toEqual(manipulated);
  clock.nowMs = 2_001;
  changed.length = 0;
  registry.tick();
  registry.tick();
  expect(registry.stream("studio")).toMatchObject({ verdict: { kind: "unscored", reason: "analysis-stalled" }, tracks: [{ verdict: { kind: "unscored", reason: "analysis-stalled" } }] });
  expect(changed).toEqual(["studio"]);
  registry.setView("studio", { verdict: manipulated, faces: [face] });
  expect(registry.stream("studio")?.verdict).toEqual(manipulated);
});

test("track ids go on past those seen, also when the analysis begins anew", () => {
  const { registry } = create();
  expect(registry.nextTrackId("studio")).toBe(1);
  live(registry);
  registry.addScore("studio", { trackId: 7, ptsMs: 0, score: { frames: 100, score: 0.5, coverage: 1 }, frameAgeMs: 1 });
  registry.clearView("studio");
  expect(registry.nextTrackId("studio")).toBe(8);
  expect(registry.stream("studio")).toMatchObject({ tracks: [], verdict: { reason: "no-face" } });
});

test("the end of the grace time ends the stream once", () => {
  const { registry, clock, over } = create();
  live(registry);
  registry.apply("studio", { kind: "publisher-lost", sessionId: "s1", reason });
  clock.nowMs = 14_999;
  registry.tick();
  expect(over).toEqual([]);
  clock.nowMs = 15_000;
  registry.tick();
  registry.tick();
  expect(over).toEqual(["studio"]);
});

test("the score line keeps ten minutes", () => {
  const { registry, clock } = create();
  for (let second = 0; second <= 700; second++) {
    clock.nowMs = second * 1_000;
    registry.addScore("studio", { trackId: 1, ptsMs: clock.nowMs, score: { frames: 100, score: 0.5, coverage: 1 }, frameAgeMs: 30 });
  }
  const scores = registry.detail("studio")?.scores ?? [];
  expect(scores).toHaveLength(601);
  expect(scores[0]?.ptsMs).toBe(100_000);
});

test("time without a face counts only while live and without a face", () => {
  const { registry, clock } = create();
  live(registry);
  clock.nowMs = 9_000;
  expect(registry.facelessSeconds("studio")).toBe(0);
  registry.setView("studio", { verdict: { kind: "unscored", reason: "no-face", score: null }, faces: [] });
  clock.nowMs = 12_000;
  expect(registry.facelessSeconds("studio")).toBe(12);
});

test("an unknown stream changes nothing", () => {
  const { registry, changed } = create();
  registry.apply("nobody", { kind: "published", session });
  registry.setBitrate("nobody", 1);
  expect(changed).toEqual([]);
  expect(registry.detail("nobody")).toBeNull();
});
