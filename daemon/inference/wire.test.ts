/** Messages survive any cutting of the byte stream; anything else is refused early. */
import { describe, expect, it } from "vitest";
import { decodeClientMessage, decodeServerMessage, encodeCrop, encodeEndTrack, encodeServerMessage, MAX_OVERHEAD_BYTES, MessageReader } from "./wire.ts";

const CROP_BYTES = 12;
const request = { stream: "studio-ä", track: "studio-ä#3", slot: 2 ** 40 + 7, pixels: Uint8Array.from({ length: CROP_BYTES }, (_, i) => i * 20) };
const readerOf = () => new MessageReader(CROP_BYTES + MAX_OVERHEAD_BYTES);

describe("client messages", () => {
  it.each([1, 2, 3, 7, 1000])("come out as they went in when the stream is cut every %i bytes", (cut) => {
    const bytes = Buffer.concat([encodeCrop(1, request), encodeEndTrack("studio-ä#3"), encodeCrop(2 ** 32 - 1, { ...request, slot: 0 })]);
    const reader = readerOf();
    const messages = [];
    for (let at = 0; at < bytes.length; at += cut) for (const message of reader.push(bytes.subarray(at, at + cut))) messages.push(decodeClientMessage(message, CROP_BYTES));
    expect(messages).toMatchObject([{ kind: "crop", id: 1, request: { ...request, pixels: Buffer.from(request.pixels) } }, { kind: "end-track", track: "studio-ä#3" }, { kind: "crop", id: 2 ** 32 - 1, request: { slot: 0 } }]);
  });

  const body = (change: (bytes: Buffer) => void) => {
    const bytes = encodeCrop(1, request).subarray(4);
    change(bytes);
    return bytes;
  };
  it.each([
    ["an unknown type", body((bytes) => bytes.writeUInt8(9, 0))],
    ["no type and nothing else", Buffer.from([1])],
    ["a slot that is no number", body((bytes) => bytes.writeDoubleLE(Number.NaN, 5))],
    ["a slot between two", body((bytes) => bytes.writeDoubleLE(1.5, 5))],
    ["a sampling that there is not", body((bytes) => bytes.writeUInt8(3, 13))],
    ["a sampling by nothing", body((bytes) => bytes.writeUInt8(0, 13))],
    ["a stream's name longer than the message", body((bytes) => bytes.writeUInt16LE(200, 14))],
    ["a name longer than allowed", body((bytes) => bytes.writeUInt16LE(65535, 16))],
    ["too few pixels", encodeCrop(1, { ...request, pixels: new Uint8Array(11) }).subarray(4)],
    ["too many pixels", encodeCrop(1, { ...request, pixels: new Uint8Array(13) }).subarray(4)],
    ["a track's end with a long name", Buffer.concat([Buffer.from([2]), Buffer.alloc(257, "a")])],
  ])("are refused with %s", (_, bytes) => {
    expect(() => decodeClientMessage(bytes, CROP_BYTES)).toThrow(expect.objectContaining({ code: "protocol-violation" }) as Error);
  });

  it.each([
    [undefined, 1],
    [1, 1],
    [2, 2],
    [4, 4],
  ])("say which slots are due (divisor %s)", (divisor, read) => {
    const bytes = encodeCrop(1, divisor === undefined ? request : { ...request, divisor }).subarray(4);
    expect(decodeClientMessage(bytes, CROP_BYTES)).toMatchObject({ request: { slot: request.slot, divisor: read, track: request.track } });
  });

  it("are refused at their length, before memory is set aside for them", () => {
    expect(() => [...readerOf().push(Buffer.from([0xff, 0xff, 0xff, 0xff]))]).toThrow(/4294967295 bytes/);
    expect(() => [...readerOf().push(Buffer.from([0, 0, 0, 0]))]).toThrow(/0 bytes/);
  });

  it("are not made of names too long to be read again", () => {
    expect(() => encodeCrop(1, { ...request, track: "x".repeat(257) })).toThrow(/257 bytes/);
  });
});

it("server messages come out as they went in", () => {
  const message = { kind: "reply", id: 5, reply: { kind: "ok", scores: [{ frames: 100, score: 0.123456789, coverage: 0.97 }], queueMs: 1.5, inferenceMs: 3, batchSize: 4 } } as const;
  const [bytes] = [...new MessageReader(1000).push(encodeServerMessage(message))];
  expect(decodeServerMessage(bytes ?? Buffer.alloc(0))).toEqual(message);
});
