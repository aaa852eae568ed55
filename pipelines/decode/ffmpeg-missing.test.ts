import { pino } from "pino";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DecoderEvent } from "./decoder-events.ts";
import { makeFlvTags, tagBytes, videoTags } from "./flv-fixture.ts";
import { type FlvTag, flvHeader } from "./flv-reader.ts";
import { startLiveDecoder } from "./live-decoder.ts";
import { openRecording } from "./recording.ts";

const quietLog = pino({ level: "silent" });

let tags: readonly FlvTag[];
const path = process.env["PATH"];

beforeEach(async () => {
  tags = videoTags(await makeFlvTags({ size: "64x64", seconds: 0.2 }));
  process.env["PATH"] = "/nonexistent";
});
afterEach(() => {
  process.env["PATH"] = path;
});

it("names the missing program instead of failing unheard, live and recorded", async () => {
  const events: DecoderEvent[] = [];
  await using decoder = startLiveDecoder({ log: quietLog, onFrame: () => {}, onEvent: (event) => events.push(event), restarts: { maxRestarts: 1 } });
  decoder.write(Buffer.concat([flvHeader(), ...tags.map((tag) => tagBytes(tag))]));
  await expect.poll(() => events.find((event) => event.kind === "restart")).toMatchObject({ error: { code: "setup-incomplete" } });
  await expect(openRecording(import.meta.filename)).rejects.toMatchObject({ code: "setup-incomplete" });
});
