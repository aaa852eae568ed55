import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { startFlvRoute } from "./flv-route.ts";
import { createGopCache } from "./gop-cache.ts";
import { INGEST_LIMITS } from "./limits.ts";
import { flvTags } from "./testing/ffmpeg.ts";

const MEBIBYTE = 1024 * 1024;

function tag(name: string, payloadBytes: number): Buffer {
  const bytes = Buffer.alloc(11 + payloadBytes + 4, name);
  bytes.writeUInt8(9, 0);
  bytes.writeUIntBE(payloadBytes, 1, 3);
  bytes.writeUInt32BE(11 + payloadBytes, 11 + payloadBytes);
  return bytes;
}

test("a reader that stops reading loses whole groups of pictures, costs bounded memory, and goes on at a keyframe with the header in force", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "truecast-route-"));
  const socketPath = path.join(folder, "slow.sock");
  const server = createServer({ pauseOnConnect: true });
  server.listen(socketPath);
  await once(server, "listening");

  const gop = createGopCache(INGEST_LIMITS);
  const lost: string[] = [];
  gop.setSequenceHeader(tag("h", 40));
  const route = startFlvRoute({ session: { stream: "slow", sessionId: "1" }, socketPath, gop, routeBufferBytes: 2 * MEBIBYTE, lingerMs: 5_000, onLost: (message) => lost.push(message) });
  const [reader] = (await once(server, "connection")) as [Socket];

  const sent: string[] = [];
  let dropped = 0;
  const send = (kind: "keyframe" | "interframe", name: string) => {
    const bytes = tag(name, 100_000);
    if (kind === "keyframe") gop.addKeyframe(bytes);
    else gop.addInterframe(bytes);
    if (route.send(kind, bytes)) sent.push(name);
    else dropped += 1;
  };
  const group = (keyframe: string, interframe: string) => {
    send("keyframe", keyframe);
    for (let index = 0; index < 9; index += 1) send("interframe", interframe);
  };
  for (let index = 0; index < 10; index += 1) group("A", "a");
  expect(sent.length).toBeLessThan(25);
  expect(dropped).toBe(100 - sent.length);

  // The header changes while nothing can be sent.
  const header = tag("i", 40);
  gop.setSequenceHeader(header);
  expect(route.send("sequence-header", header)).toBe(true);
  group("B", "b");
  expect(sent).not.toContain("B");

  const chunks: Buffer[] = [];
  const names = () => {
    const bytes = Buffer.concat(chunks);
    return flvTags(bytes.subarray(bytes.indexOf(10) + 1)).map(({ payload }) => String.fromCharCode(payload[0] ?? 0));
  };
  reader.on("data", (bytes: Buffer) => chunks.push(bytes));
  reader.resume();
  const ended = once(reader, "end");
  const arrived = async (count: number) => {
    while (names().length < count) await once(reader, "data");
  };
  await arrived(1 + sent.length);
  const beforeGap = sent.length;
  group("C", "c");
  route.close();
  await ended;
  expect(names().join("")).toBe(`h${sent.slice(0, beforeGap).join("")}iCccccccccc`);
  expect(names()[0]).toBe("h");
  expect(lost).toEqual([]);
  server.close();
  await rm(folder, { recursive: true });
});
