import { expect, test } from "vitest";
import type { ServerMessage, Stream, SystemStatus } from "../protocol.ts";
import { createWitnessRecord } from "./witness-record.ts";

const streamMessage = (decoded: number, more: Partial<Stream> = {}): ServerMessage =>
  ({ type: "stream", seq: 1, stream: { name: "witness", state: "live", stateReason: null, frames: { decoded, discarded: 0, lost: 0 }, thumbnailPtsMs: decoded * 100, ...more } as Stream });
const systemMessage = (restarts: number): ServerMessage => ({ type: "system", seq: 1, system: { components: { ingest: { state: "ready", restarts, message: null } } } as unknown as SystemStatus });

/** Ten frames counted each second, but for those that are missing in some. */
function watched(missingIn: ReadonlyMap<number, number>) {
  const record = createWitnessRecord("witness");
  let decoded = 0;
  for (let second = 0; second <= 40; second += 1) {
    record.take(streamMessage(decoded), second * 1_000);
    decoded += 10 - (missingIn.get(second) ?? 0);
  }
  return record;
}

test("a stream that gives ten frames a second has lost nothing", () => {
  const record = watched(new Map());
  expect(record).toMatchObject({ state: "live", decodedFrames: 400, mostLostSeconds: 0, mostLostFrames: 0, longestStandstillSeconds: 1, wrongs: [] });
});

test("frames that go missing add up over ten seconds, and those far apart do not", () => {
  expect(watched(new Map([[12, 8], [15, 7]])).mostLostSeconds).toBeCloseTo(1.5);
  expect(watched(new Map([[5, 8], [27, 7]])).mostLostSeconds).toBeCloseTo(0.8);
});

test("frames that come late are not lost", () => {
  expect(watched(new Map([[12, 10], [13, 10], [14, 10], [15, -30]]))).toMatchObject({ mostLostSeconds: 0, longestStandstillSeconds: 4 });
});

test("what the daemon itself calls lost counts", () => {
  const record = createWitnessRecord("witness");
  for (const [second, lost] of [0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 16, 23].entries()) record.take(streamMessage(second * 10, { frames: { decoded: second * 10, discarded: 0, lost } }), second * 1_000);
  expect(record.mostLostFrames).toBe(14);
});

test("a stream that stands still is told from one whose pictures only come late", () => {
  const record = createWitnessRecord("witness");
  record.take(streamMessage(10), 0);
  record.take(streamMessage(10), 3_000);
  record.take(streamMessage(50), 4_000);
  expect(record.longestStandstillSeconds).toBe(4);
});

test("what ends the stream or restarts a process is wrong, each time it does", () => {
  const record = createWitnessRecord("witness");
  record.take(systemMessage(0), 0);
  record.take(streamMessage(10), 0);
  record.take(systemMessage(1), 1_000);
  record.take(streamMessage(10, { state: "reconnecting", stateReason: { code: "ingest-restarted", message: "the ingest process ended" } }), 1_000);
  record.take(streamMessage(10), 2_000);
  record.take(systemMessage(1), 2_000);
  record.take(systemMessage(2), 3_000);
  expect(record.wrongs).toEqual(["ingest ended and was restarted (no word why)", "the witness is reconnecting (the ingest process ended)", "ingest ended and was restarted (no word why)"]);
});
