import { describe, expect, test } from "vitest";
import { flvPayloads } from "./flv-payload.ts";
import { createFrameAssembly } from "./video-frames.ts";
import { seededRandom } from "../../testing/seeded-random.ts";

const hex = (text: string) => Buffer.from(text, "hex");
let index = 0;
const ordered = (timestamp: number, payload: Buffer, { marker = false, afterGap = false } = {}) => ({ packet: { payloadType: 96, marker, index: index++, timestamp, ssrc: 1, payload }, afterGap });

const SPS = "6742c01ed9";
const PPS = "68ce3c80";
const STAP = `78${"0005"}${SPS}${"0004"}${PPS}`;

describe("H.264", () => {
  test("parameter sets in one packet, the picture in fragments: one keyframe, as AVC in FLV", () => {
    const assembly = createFrameAssembly("h264");
    expect(assembly.push(ordered(1, hex(STAP), { afterGap: true }))).toEqual([]);
    expect(assembly.push(ordered(1, hex("7c85aabb")))).toEqual([]);
    expect(assembly.push(ordered(1, hex("7c05cc")))).toEqual([]);
    const [frame, ...rest] = assembly.push(ordered(1, hex("7c45dd"), { marker: true }));
    expect(rest).toEqual([]);
    expect(frame).toMatchObject({ keyframe: true, timestamp: 1, units: [hex("65aabbccdd")] });
    const flv = frame && flvPayloads(frame);
    expect(flv?.header?.toString("hex")).toBe(`1700000000${"0142c01eff"}e1${"0005"}${SPS}01${"0004"}${PPS}`);
    expect(flv?.frame.toString("hex")).toBe(`1701000000${"00000005"}65aabbccdd`);
  });

  test("SEI, delimiters and filler are left out, and several slices stay together", () => {
    const assembly = createFrameAssembly("h264");
    for (const unit of [SPS, PPS, "0906", "0600", "6511", "0cff"]) assembly.push(ordered(1, hex(unit)));
    expect(assembly.push(ordered(1, hex("6522"), { marker: true }))).toMatchObject([{ units: [hex("6511"), hex("6522")] }]);
  });

  test("a lost marker ends the frame with the next timestamp", () => {
    const assembly = createFrameAssembly("h264");
    for (const unit of [SPS, PPS, "6511"]) assembly.push(ordered(1, hex(unit)));
    expect(assembly.push(ordered(2, hex("4122")))).toMatchObject([{ keyframe: true, timestamp: 1 }]);
  });

  test("nothing comes out before a keyframe, nor from a gap to the next one", () => {
    const assembly = createFrameAssembly("h264");
    const push = (timestamp: number, payload: string, options = {}) => assembly.push(ordered(timestamp, hex(payload), { marker: true, ...options })).length;
    expect(push(1, "4111")).toBe(0);
    expect(assembly.needsKeyframe).toBe(true);
    for (const unit of [SPS, PPS]) assembly.push(ordered(2, hex(unit)));
    expect(push(2, "6511")).toBe(1);
    expect(assembly.needsKeyframe).toBe(false);
    expect(push(3, "4122")).toBe(1);
    expect(push(4, "4133", { afterGap: true })).toBe(0);
    expect(push(5, "4144")).toBe(0);
    // A keyframe whose start may be among what was lost is none.
    expect(push(6, "6555", { afterGap: true })).toBe(0);
    assembly.push(ordered(7, hex(STAP), { afterGap: true }));
    expect(push(7, "6566")).toBe(1);
    expect(assembly.damagedFrames).toBe(4);
  });

  test.each([
    ["a fragment without its start", ["7c05aa"]],
    ["a start without an end", ["7c85aa"]],
    ["a whole unit between fragments", ["7c85aa", "41bb", "7c45cc"]],
    ["an aggregate cut short", ["78000965"]],
    ["an aggregate with an empty unit", ["780000"]],
    ["a type that is not known here", ["7dffff"]],
  ])("a damaged frame is dropped: %s", (_what, payloads) => {
    const assembly = createFrameAssembly("h264");
    for (const unit of [SPS, PPS]) assembly.push(ordered(1, hex(unit)));
    const frames = payloads.flatMap((payload, each) => assembly.push(ordered(1, hex(payload), { marker: each === payloads.length - 1 })));
    expect(frames).toEqual([]);
    expect(assembly.needsKeyframe).toBe(true);
  });
});

describe("VP8", () => {
  const keyframe = hex(`300200${"9d012a"}4001b40055`);

  test("the descriptor goes, its extensions too, and the frame is joined", () => {
    for (const descriptor of ["10", "908012", "90809234", "90e0923405ff", "9020a0"]) {
      const assembly = createFrameAssembly("vp8");
      expect(assembly.push(ordered(1, Buffer.concat([hex(descriptor), keyframe.subarray(0, 6)]), { afterGap: true }))).toEqual([]);
      expect(assembly.push(ordered(1, Buffer.concat([hex("00"), keyframe.subarray(6)]), { marker: true }))).toEqual([{ codec: "vp8", keyframe: true, timestamp: 1, data: keyframe }]);
    }
  });

  test("it is enhanced FLV that leaves", () => {
    const assembly = createFrameAssembly("vp8");
    const [frame] = assembly.push(ordered(1, Buffer.concat([hex("10"), keyframe]), { marker: true }));
    const flv = frame && flvPayloads(frame);
    expect(flv?.header?.subarray(0, 5).toString("latin1")).toBe("\u0090vp08");
    expect(flv?.frame.subarray(0, 5).toString("latin1")).toBe("\u0091vp08");
    expect(flv?.frame.subarray(5)).toEqual(keyframe);
  });

  test.each([["nothing but a descriptor", "10"], ["a continuation first", "00aabbcc"], ["an extension that eats the packet", "90f0ff"], ["a keyframe without its start code", "1030020000000000000000"]])("a damaged frame is dropped: %s", (_what, payload) => {
    expect(createFrameAssembly("vp8").push(ordered(1, hex(payload), { marker: true }))).toEqual([]);
  });
});

describe("VP9", () => {
  // Marker, profile 0, keyframe, sync code, 8 bits, BT.601, 64x64.
  const keyframe = hex("824983422003f003f0aabbcc");
  const interframe = hex("8600aa");
  const join = (descriptor: string, part: Buffer) => Buffer.concat([hex(descriptor), part]);

  test("the descriptor goes with all its extensions, and the frame is joined", () => {
    for (const descriptor of ["08", "889234", "8812", "a81200ff", "b81200", "a8923400ff", "0a18004000400100", "0a1000400040", "0a08020401080102"]) {
      const assembly = createFrameAssembly("vp9");
      expect(assembly.push(ordered(1, join(descriptor, keyframe.subarray(0, 6)), { afterGap: true })), descriptor).toEqual([]);
      expect(assembly.push(ordered(1, join("04", keyframe.subarray(6)), { marker: true })), descriptor).toEqual([{ codec: "vp9", keyframe: true, timestamp: 1, data: keyframe }]);
    }
  });

  test("references of the flexible mode are passed over", () => {
    const assembly = createFrameAssembly("vp9");
    assembly.push(ordered(1, join("0c", keyframe), { marker: true }));
    expect(assembly.push(ordered(2, join("dc8001030506", interframe), { marker: true }))).toEqual([{ codec: "vp9", keyframe: false, timestamp: 2, data: interframe }]);
    expect(assembly.push(ordered(3, join("dc80010304", interframe), { marker: true }))).toEqual([{ codec: "vp9", keyframe: false, timestamp: 3, data: interframe }]);
  });

  test("of spatial layers the lowest is taken, which needs no other", () => {
    const assembly = createFrameAssembly("vp9");
    assembly.push(ordered(1, join("2c0000", keyframe)));
    assembly.push(ordered(1, join("6c0300", interframe)));
    expect(assembly.push(ordered(1, join("6c0500", interframe), { marker: true }))).toEqual([{ codec: "vp9", keyframe: true, timestamp: 1, data: keyframe }]);
  });

  test("it is enhanced FLV that leaves", () => {
    const [frame] = createFrameAssembly("vp9").push(ordered(1, join("0c", keyframe), { marker: true }));
    const flv = frame && flvPayloads(frame);
    expect(flv?.header?.subarray(0, 5).toString("latin1")).toBe("\u0090vp09");
    expect(flv?.frame.toString("hex")).toBe(`91${Buffer.from("vp09").toString("hex")}${keyframe.toString("hex")}`);
  });

  test.each([
    ["nothing but a descriptor", ["0c"]],
    ["a continuation first", ["04aabb"]],
    ["a frame without its end", ["08824983422003f003f0"]],
    ["two starts", ["08824983422003f003f0", "0caabb"]],
    ["an extension that eats the packet", ["8a80"]],
    ["a keyframe without its sync code", ["0c820000002003f003f0"]],
    ["what no frame begins with", ["0c00aabbcc"]],
  ])("a damaged frame is dropped: %s", (_what, payloads) => {
    const assembly = createFrameAssembly("vp9");
    expect(payloads.flatMap((payload, each) => assembly.push(ordered(1, hex(payload), { marker: each === payloads.length - 1 })))).toEqual([]);
    expect(assembly.needsKeyframe).toBe(true);
  });
});

describe("AV1", () => {
  /** Sequence header of libaom for 202x118, and the beginnings of a keyframe and an interframe; without sizes, as they go over RTP. */
  const SEQUENCE = "08000000029fe49d7f9f0018";
  const KEY = "3010aabb";
  const INTER = "3030cc";
  const sized = (unit: string) => `${(Number.parseInt(unit.slice(0, 2), 16) | 2).toString(16).padStart(2, "0")}${(unit.length / 2 - 1).toString(16).padStart(2, "0")}${unit.slice(2)}`;
  const size = (unit: string) => (unit.length / 2).toString(16).padStart(2, "0");
  const data = hex(sized(SEQUENCE) + sized(KEY));

  test("units get their sizes, whether the packet counts them or gives each a length", () => {
    for (const payload of [`28${size(SEQUENCE)}${SEQUENCE}${KEY}`, `08${size(SEQUENCE)}${SEQUENCE}${size(KEY)}${KEY}`, `38${"01"}10${size(SEQUENCE)}${SEQUENCE}${KEY}`]) {
      const frames = createFrameAssembly("av1").push(ordered(1, hex(payload), { marker: true, afterGap: true }));
      expect(frames, payload).toEqual([{ codec: "av1", keyframe: true, timestamp: 1, data, sequenceHeader: hex(sized(SEQUENCE)) }]);
    }
  });

  test("a unit in fragments over three packets is joined, and one that brings its own size is taken with it", () => {
    const assembly = createFrameAssembly("av1");
    expect(assembly.push(ordered(1, hex(`68${size(SEQUENCE)}${SEQUENCE}30`), { afterGap: true }))).toEqual([]);
    expect(assembly.push(ordered(1, hex("d010aa")))).toEqual([]);
    expect(assembly.push(ordered(1, hex("90bb"), { marker: true }))).toMatchObject([{ keyframe: true, data }]);
    expect(assembly.push(ordered(2, hex(`10${sized(INTER)}`), { marker: true }))).toEqual([{ codec: "av1", keyframe: false, timestamp: 2, data: hex(sized(INTER)), sequenceHeader: null }]);
  });

  test("a keyframe that brings no sequence header leaves with the one before", () => {
    const assembly = createFrameAssembly("av1");
    assembly.push(ordered(1, hex(`28${size(SEQUENCE)}${SEQUENCE}${KEY}`), { marker: true }));
    const [frame] = assembly.push(ordered(2, hex(`10${KEY}`), { marker: true }));
    expect(frame).toMatchObject({ keyframe: true, sequenceHeader: hex(sized(SEQUENCE)) });
    const flv = frame && flvPayloads(frame);
    expect(flv?.header?.subarray(0, 6).toString("hex")).toBe(`90${Buffer.from("av01").toString("hex")}81`);
    expect(flv?.header?.subarray(9)).toEqual(hex(sized(SEQUENCE)));
    expect(flv?.frame.toString("hex")).toBe(`91${Buffer.from("av01").toString("hex")}${sized(KEY)}`);
  });

  test("after a gap a frame counts only from the mark of a new sequence on", () => {
    const assembly = createFrameAssembly("av1");
    assembly.push(ordered(1, hex(`28${size(SEQUENCE)}${SEQUENCE}${KEY}`), { marker: true }));
    expect(assembly.push(ordered(2, hex(`10${KEY}`), { marker: true, afterGap: true }))).toEqual([]);
    expect(assembly.push(ordered(3, hex(`10${INTER}`), { marker: true }))).toEqual([]);
    expect(assembly.push(ordered(4, hex(`28${size(SEQUENCE)}${SEQUENCE}${KEY}`), { marker: true, afterGap: true }))).toMatchObject([{ keyframe: true, timestamp: 4 }]);
  });

  test.each([
    ["no element", ["18"]],
    ["fewer elements than counted", [`20${size(KEY)}${KEY}`]],
    ["an element past the end", ["000510aa"]],
    ["an empty element", ["0000"]],
    ["a fragment without its start", [`90${KEY}`]],
    ["a start without an end", [`58${KEY}`]],
    ["a whole unit between fragments", [`58${KEY}`, `10${INTER}`]],
    ["a size that is not the unit's", ["103205aa"]],
    ["a keyframe of no known sequence", [`10${KEY}`]],
    ["no frame", [`18${SEQUENCE}`]],
  ])("a damaged frame is dropped: %s", (_what, payloads) => {
    const assembly = createFrameAssembly("av1");
    expect(payloads.flatMap((payload, each) => assembly.push(ordered(1, hex(payload), { marker: each === payloads.length - 1 })))).toEqual([]);
    expect(assembly.needsKeyframe).toBe(true);
  });
});

test.each(["h264", "vp8", "vp9", "av1"] as const)("random payloads never throw: %s", (codec) => {
  const random = seededRandom(9_725);
  const assembly = createFrameAssembly(codec);
  for (let count = 0; count < 50_000; count += 1) {
    const payload = Buffer.from(Array.from({ length: Math.floor(random() * 12) }, () => Math.floor(random() * 256)));
    const frames = assembly.push(ordered(Math.floor(count / 3), payload, { marker: random() < 0.3, afterGap: random() < 0.05 }));
    for (const frame of frames) flvPayloads(frame);
  }
  expect(assembly.damagedFrames).toBeGreaterThan(1_000);
});
