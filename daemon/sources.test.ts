/** Which streams are pulled: configuration and store together, and what is refused before anything is connected to. */
import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { createSources, type SourcesOptions } from "./sources.ts";
import { openStore, type Store } from "./store/store.ts";

const log = pino({ level: "silent" });

function sourcesWith(store: Store, options: Partial<SourcesOptions> = {}): ReturnType<typeof createSources> {
  return createSources({ configured: [], published: new Set(["studio"]), table: store, maxSources: 3, allow: [], ...options });
}

test("what was added over HTTP is there again after a restart, and what was taken out is not", async () => {
  const folder = await mkdtemp(join(tmpdir(), "truecast-sources-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "truecast.db");
  {
    await using store = openStore({ path, log });
    const sources = sourcesWith(store);
    expect(sources.put("a", { url: "http://camera.example/live", format: "hls", loop: true })).toBe("created");
    expect(sources.put("b", { url: "srt://camera.example:9000" })).toBe("created");
    expect(sources.put("b", { url: "srt://camera.example:9001" })).toBe("changed");
    expect(sources.put("b", { url: "srt://camera.example:9001" })).toBe("same");
    sources.put("c", { url: "udp://203.0.113.1:5000".replace("203.0.113.1", "8.8.8.8") });
    expect(sources.remove("c")).toBe(true);
    expect(sources.remove("c")).toBe(false);
  }
  await using store = openStore({ path, log });
  expect(sourcesWith(store).specs).toEqual([
    { name: "a", url: "http://camera.example/live", format: "hls", loop: true },
    { name: "b", url: "srt://camera.example:9001", format: undefined, loop: false },
  ]);
  // It holds passwords.
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a stream of the configuration keeps its name: others are refused, and stored ones step back", async () => {
  await using store = openStore({ path: ":memory:", log });
  store.putSource({ name: "gate", url: "srt://old.example:1", format: null, loop: false });
  store.putSource({ name: "studio", url: "srt://old.example:1", format: null, loop: false });
  const sources = sourcesWith(store, { configured: [{ name: "gate", url: "rtsp://camera.example/1" }] });
  expect(sources.specs).toMatchObject([{ name: "gate", url: "rtsp://camera.example/1" }]);
  expect([sources.originOf("gate"), sources.originOf("x")]).toEqual(["config", "api"]);
  for (const name of ["gate", "studio"]) {
    expect(() => sources.put(name, { url: "srt://new.example:1" })).toThrowError(expect.objectContaining({ code: "conflict" }));
    expect(() => sources.remove(name)).toThrowError(expect.objectContaining({ code: "conflict" }));
  }
});

test("no more sources are taken than configured, and a refused one is not kept", async () => {
  await using store = openStore({ path: ":memory:", log });
  const sources = sourcesWith(store);
  for (const name of ["a", "b", "c"]) sources.put(name, { url: "srt://camera.example:1" });
  expect(() => sources.put("d", { url: "srt://camera.example:1" })).toThrowError(expect.objectContaining({ code: "capacity-reached" }));
  expect(store.sources().map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(sources.put("a", { url: "srt://camera.example:2" })).toBe("changed");
});

test.each([
  ["gopher://a.example/", "source-invalid"],
  ["concat:/etc/passwd", "source-invalid"],
  ["/etc/passwd", "source-invalid"],
  ["http://a.example/live", "source-invalid"],
  ["srt://a.example", "source-invalid"],
  ["file://host/x.mp4", "source-invalid"],
  [`srt://a.example:1?passphrase=${"x".repeat(2_048)}`, "source-invalid"],
  ["rtsp://127.0.0.1/1", "address-refused"],
  ["http://2130706433/x.ts", "address-refused"],
  ["http://[::ffff:10.0.0.1]/x.m3u8", "address-refused"],
  ["udp://239.0.0.1:5000", "address-refused"],
  ["srt://0.0.0.0:5000?mode=listener", "address-refused"],
])("%s is refused as %s", async (url, code) => {
  await using store = openStore({ path: ":memory:", log });
  const error: unknown = ((): unknown => {
    try {
      return sourcesWith(store).put("x", { url });
    } catch (caught) {
      return caught;
    }
  })();
  expect(error).toMatchObject({ code });
  expect(String(error)).not.toContain("x".repeat(100));
  expect(store.sources()).toEqual([]);
});
