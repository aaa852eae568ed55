import { expect, it } from "vitest";
import { Counter, Histogram, Registry } from "prom-client";
import { bucketsBetween, histogramQuantile, parseExposition, shareUpTo } from "./exposition.ts";

async function exposed(fill: (registry: Registry) => void): Promise<string> {
  const registry = new Registry();
  fill(registry);
  return registry.metrics();
}

it("sums a counter over all its labels, or over those asked for", async () => {
  const text = await exposed((registry) => {
    const counter = new Counter({ name: "frames_total", help: "h", labelNames: ["stream", "reason"], registers: [registry] });
    counter.inc({ stream: 'a "quoted", odd} name', reason: "busy" }, 2);
    counter.inc({ stream: "b", reason: "busy" }, 3);
    counter.inc({ stream: "b", reason: "same-slot" }, 40);
  });
  const exposition = parseExposition(text);
  expect(exposition.sum("frames_total")).toBe(45);
  expect(exposition.sum("frames_total", { reason: "busy" })).toBe(5);
  expect(exposition.sum("frames_total", { stream: "b", reason: "same-slot" })).toBe(40);
  expect(exposition.sum("frames")).toBe(0);
});

it("gives the quantile of what came between two scrapes, linear within a bucket", async () => {
  const registry = new Registry();
  const histogram = new Histogram({ name: "age", help: "h", labelNames: ["stream"], buckets: [0.1, 0.2, 0.5], registers: [registry] });
  for (let i = 0; i < 50; i++) histogram.observe({ stream: "a" }, 5);
  const before = parseExposition(await registry.metrics()).buckets("age");
  for (let i = 0; i < 60; i++) histogram.observe({ stream: "a" }, 0.05);
  for (let i = 0; i < 40; i++) histogram.observe({ stream: "b" }, 0.15);
  const between = bucketsBetween(before, parseExposition(await registry.metrics()).buckets("age"));
  expect([...between]).toEqual([
    [0.1, 60],
    [0.2, 100],
    [0.5, 100],
    [Number.POSITIVE_INFINITY, 100],
  ]);
  expect(histogramQuantile(between, 0.3)).toBeCloseTo(0.05, 9);
  expect(histogramQuantile(between, 0.8)).toBeCloseTo(0.15, 9);
  expect(shareUpTo(between, 0.1)).toBe(0.6);
  expect(histogramQuantile(before, 0.5)).toBe(0.5);
  expect(histogramQuantile(new Map(), 0.5)).toBeNaN();
});
