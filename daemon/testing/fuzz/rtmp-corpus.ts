/** Valid RTMP to mutate: a session that ffmpeg sent, cut into its messages, and video tags of every kind there is (Enhanced RTMP v2). */
import { readFileSync } from "node:fs";
import { HANDSHAKE, type RtmpMessage, amf0, publishCommands, rtmpMessage } from "../../ingest/testing/rtmp-client.ts";

/**
 * What ffmpeg 5.1 sends to publish half a second of a 64×64 test picture (x264 ultrafast, a keyframe every 3 frames) with a tone in AAC,
 * recorded on its way to the ingest process.
 */
const RECORDED = readFileSync(new URL("./corpus/rtmp-ffmpeg.bin", import.meta.url));
const RECORDED_KEY = "secret-of-fuzz-slot-00";

export const HANDSHAKE_BYTES = 1 + 2 * 1_536;

/** The recorded session under another key of the same length. */
export function recordedSession(key: string): Buffer {
  const session = Buffer.from(RECORDED);
  if (key.length !== RECORDED_KEY.length) throw new RangeError(`a key for recorded bytes has ${RECORDED_KEY.length} characters`);
  for (let at = session.indexOf(RECORDED_KEY); at !== -1; at = session.indexOf(RECORDED_KEY, at + 1)) session.write(key, at);
  return session;
}

/** All of a session up to the accepted publish. */
export function publishing(key: string): Buffer {
  return Buffer.concat([HANDSHAKE, publishCommands(key)]);
}

/** The recorded messages, chunk by chunk put together again. */
export const RECORDED_MESSAGES: readonly RtmpMessage[] = readMessages(RECORDED.subarray(HANDSHAKE_BYTES));
const mediaOf = (type: number) => RECORDED_MESSAGES.filter((message) => message.type === type).map(({ payload }) => payload);
const AVC = mediaOf(9);
export const AVC_HEADER = AVC.find((payload) => payload[1] === 0) ?? Buffer.alloc(0);
export const AVC_FRAMES: readonly Buffer[] = AVC.filter((payload) => payload[1] === 1);

function readMessages(bytes: Buffer): RtmpMessage[] {
  const streams = new Map<number, { timestampMs: number; length: number; type: number; parts: Buffer[]; held: number }>();
  const messages: RtmpMessage[] = [];
  let chunkBytes = 128;
  for (let offset = 0; offset < bytes.length; ) {
    const [format, chunkStream] = [bytes.readUInt8(offset) >> 6, bytes.readUInt8(offset) & 0x3f];
    const state = streams.get(chunkStream) ?? { timestampMs: 0, length: 0, type: 0, parts: [], held: 0 };
    streams.set(chunkStream, state);
    offset += 1;
    if (format < 3) state.timestampMs = format === 0 ? bytes.readUIntBE(offset, 3) : state.timestampMs + bytes.readUIntBE(offset, 3);
    if (format < 2) [state.length, state.type] = [bytes.readUIntBE(offset + 3, 3), bytes.readUInt8(offset + 6)];
    offset += [11, 7, 3, 0][format] ?? 0;
    const end = Math.min(bytes.length, offset + Math.min(chunkBytes, state.length - state.held));
    state.parts.push(bytes.subarray(offset, end));
    state.held += end - offset;
    offset = end;
    if (state.held < state.length) continue;
    const payload = Buffer.concat(state.parts);
    if (state.type === 1) chunkBytes = payload.readUInt32BE(0);
    messages.push({ chunkStream, type: state.type, payload, timestampMs: state.timestampMs });
    state.parts = [];
    state.held = 0;
  }
  return messages;
}

const FOURCCS = ["hvc1", "av01", "vp09", "vp08", "avc1", "vvc1", "XXXX"] as const;
/** Decoder configurations: hvcC, av1C and vpcC of small pictures. */
const CONFIGURATIONS = [
  "0101600000009000000000005df000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003005d95980921000100294201010160000003009000000300000300" +
    "5da00280802d165959a4932bc05a80808082000003000200000300781022000100074401c172b46240",
  "81040c000a0b00000024cf7f0dbfff3808",
  "01000000001f800202020000",
  "0142d00bffe100166742d00bda109b011000000300100000030148f1226a01000468ce3c80",
].map((hex) => Buffer.from(hex, "hex"));
const FRAME_BODIES = [Buffer.from("000000052601af0880", "hex"), Buffer.from("1200320c10002400", "hex"), Buffer.from("8249834200003ff00bf6", "hex"), Buffer.from("3002009d012a4001b40055", "hex"), Buffer.alloc(0), Buffer.alloc(2_000, 0x5a)] as const;

/** Video bodies in the form of Enhanced RTMP v2: every packet type, ModEx and multitrack among them. */
export const ENHANCED_TAGS: readonly Buffer[] = FOURCCS.flatMap((fourCc) => {
  const name = Buffer.from(fourCc, "latin1");
  const head = (frameType: number, packetType: number) => Buffer.from([0x80 | (frameType << 4) | packetType]);
  const starts = CONFIGURATIONS.map((configuration) => Buffer.concat([head(1, 0), name, configuration]));
  const frames = FRAME_BODIES.flatMap((body) => [Buffer.concat([head(1, 1), name, Buffer.from([0, 0, 40]), body]), Buffer.concat([head(1, 3), name, body]), Buffer.concat([head(2, 1), name, Buffer.from([0xff, 0xff, 0xff]), body])]);
  const end = Buffer.concat([head(1, 2), name]);
  const metadata = Buffer.concat([head(1, 4), name, amf0("colorInfo", { colorConfig: { bitDepth: 8 } })]);
  const transport = Buffer.concat([head(1, 5), name, Buffer.from("800a2c4d", "hex")]);
  const oneTrack = Buffer.concat([head(1, 6), Buffer.from([0x00]), name, Buffer.from([0]), CONFIGURATIONS[0] ?? name]);
  const manyTracks = Buffer.concat([head(1, 6), Buffer.from([0x11]), name, Buffer.from([0, 0, 0, 4, 1, 2, 3, 4, 1, 0xff, 0xff, 0xff, 5])]);
  const manyCodecs = Buffer.concat([head(1, 6), Buffer.from([0x21]), name, Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]), name, Buffer.from([1, 0, 0, 9])]);
  const modEx = Buffer.concat([head(1, 7), Buffer.from([0x02, 0x00, 0x00, 0x01, 0x01]), name, FRAME_BODIES[0]]);
  const longModEx = Buffer.concat([head(1, 7), Buffer.from([0xff, 0xff, 0xff, 0x07]), Buffer.alloc(64, 0x07), name]);
  return [...starts, ...frames, end, metadata, transport, oneTrack, manyTracks, manyCodecs, modEx, longModEx];
});

/** Bodies of media and data messages, of all kinds. */
export const MEDIA: readonly RtmpMessage[] = [
  ...RECORDED_MESSAGES.filter(({ type }) => type === 8 || type === 9 || type === 18),
  ...ENHANCED_TAGS.map((payload) => ({ chunkStream: 6, type: 9, payload })),
  ...[0x12, 0x22, 0x13, 0x14, 0x1c, 0x57, 0x17, 0x27, 0x70].map((first) => ({ chunkStream: 6, type: 9, payload: Buffer.concat([Buffer.from([first, 1, 0, 0, 0]), Buffer.alloc(60, first)]) })),
  { chunkStream: 4, type: 8, payload: Buffer.from("9f0066703841", "latin1") },
  { chunkStream: 4, type: 18, payload: amf0("@setDataFrame", "onMetaData", { width: 64, height: 64, videocodecid: "hvc1" }) },
  { chunkStream: 4, type: 15, payload: Buffer.concat([Buffer.from([0]), amf0("onMetaData", {})]) },
  { chunkStream: 6, type: 22, payload: Buffer.alloc(40, 9) },
];

/** Messages of the protocol itself. */
export const CONTROL: readonly RtmpMessage[] = [
  ...[1, 2, 3, 5].map((type) => ({ chunkStream: 2, type, payload: Buffer.from("00001000", "hex") })),
  { chunkStream: 2, type: 6, payload: Buffer.from("0026259f02", "hex") },
  { chunkStream: 2, type: 4, payload: Buffer.from("00070000000a", "hex") },
  { chunkStream: 3, type: 16, payload: Buffer.alloc(20, 1) },
  { chunkStream: 3, type: 19, payload: Buffer.alloc(20, 2) },
];

export function serialize(messages: readonly RtmpMessage[]): Buffer {
  return Buffer.concat(messages.map(rtmpMessage));
}
