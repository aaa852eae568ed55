/** Malformed RTMP, with all that ends a bare node-media-server; what follows the handshake. */
import { CONNECT, amf0, commandMessage, publishCommands, rtmpMessage } from "./rtmp-client.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const command = (payload: Buffer) => rtmpMessage({ chunkStream: 3, type: 20, payload });
const nested = (depth: number) => Buffer.concat([amf0("connect", 1), Buffer.alloc(depth * 4, hex("03000161")), hex("05"), Buffer.alloc(depth * 3, hex("000009"))]);

export type HostileInput = readonly [what: string, bytes: Buffer];

/** @param key Of the stream that some of them publish to. */
export function hostileInputs(key: string): readonly HostileInput[] {
  const publishing = (...more: Buffer[]) => Buffer.concat([publishCommands(key), ...more]);
  return [
    ["an empty command message", hex("03000000000000140000000003")],
    ["an empty Set Chunk Size", hex("02000000000000010000000003")],
    ["an empty video message", hex("06000000000000090000000003")],
    ["an empty audio message", hex("04000000000000080000000003")],
    ["an empty data message", hex("04000000000000120000000003")],
    ["a connect without tcUrl", hex("030000000000231400000000020007636f6e6e656374003ff00000000000000300036170700200046c697665000009")],
    ["a connect with a null command object", command(amf0("connect", 1, null))],
    ["a connect without a command object", command(amf0("connect", 1))],
    ["a connect whose app is a number", command(amf0("connect", 1, { app: 7, tcUrl: "rtmp://h/live" }))],
    ["a connect whose tcUrl is no URL", command(amf0("connect", 1, { app: "live", tcUrl: "::" }))],
    ["a publish without a name", Buffer.concat([CONNECT, commandMessage("publish", 3, null)])],
    ["a publish with a boolean name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, true)])],
    ["a publish with a numeric name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, 42)])],
    ["a publish with a null name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, null)])],
    ["a publish with an object for a name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, { split: "x" })])],
    ["a publish before a connect", commandMessage("publish", 3, null, key, "live")],
    ["a play without a name", Buffer.concat([CONNECT, commandMessage("play", 3, null)])],
    ["a play with a repeated query parameter", Buffer.concat([CONNECT, commandMessage("play", 3, null, "k?sign=a&sign=b")])],
    ["a publish with a repeated query parameter", Buffer.concat([CONNECT, commandMessage("publish", 3, null, "k?sign=a&sign=b")])],
    ["AMF type 0x11 as a command's name", command(hex("11"))],
    ["AMF type 0x11 as an argument", command(Buffer.concat([amf0("connect", 1), hex("110a0b01")]))],
    ["a strict array of 0xffffffff values", command(Buffer.concat([amf0("connect", 1), hex("0affffffff05")]))],
    ["a string longer than its message", command(hex("02ffff61"))],
    ["a long string of 4 GiB", command(hex("0cffffffff61"))],
    ["20,000 nested objects", rtmpMessage({ chunkStream: 3, type: 20, payload: nested(20_000) })],
    ["2,000 nested objects, within the length of a command", rtmpMessage({ chunkStream: 3, type: 20, payload: nested(2_000) })],
    ["a command whose name is a number", command(amf0(1, 2, null))],
    ["a command named like a property of every object", command(amf0("constructor", 1, null))],
    ["a transaction id that is no number", command(amf0("createStream", "x", null))],
    ["a Set Chunk Size of zero", hex("02000000000004010000000000000000")],
    ["a Set Chunk Size of 0xffffffff", hex("020000000000040100000000ffffffff")],
    ["metadata with an unknown AMF type", publishing(rtmpMessage({ chunkStream: 4, type: 18, payload: Buffer.concat([amf0("@setDataFrame", "onMetaData"), hex("11")]) }))],
    ["metadata that is null", publishing(rtmpMessage({ chunkStream: 4, type: 18, payload: amf0("@setDataFrame", "onMetaData", null) }))],
    ["a timestamp of 2^32 - 1 and a delta past it", publishing(rtmpMessage({ chunkStream: 6, type: 9, timestampMs: 0xff_ff_ff_ff, payload: hex("170100000000") }), hex("46ffff00000006091701000000004600000a0000060917010000000000"))],
    ["a composition time beyond the packet", publishing(rtmpMessage({ chunkStream: 6, type: 9, payload: hex("1701") }))],
    ["an aggregate message", publishing(rtmpMessage({ chunkStream: 6, type: 22, payload: Buffer.alloc(64, 0xff) }))],
    ["a sequence header full of ones", publishing(rtmpMessage({ chunkStream: 6, type: 9, payload: Buffer.concat([hex("1700000000"), Buffer.alloc(120, 0xff)]) }))],
    ["a parameter set with an endless order-count cycle", publishing(rtmpMessage({ chunkStream: 6, type: 9, payload: hex("17000000000142c00affe1000d6742c00ad300000001fffffffe") }))],
    ["a second header that shortens a message under way", publishing(hex("0600000000040009010000001700000000"), Buffer.alloc(123, 1), hex("06000000000010090100000017010000"))],
    ["a chunk without any header before it", hex("c901020304")],
    ["the three-byte form of the chunk stream id", hex("01ffff0000000000140000000003")],
    ["text of another protocol", Buffer.from("GET /a%20b/c.flv HTTP/1.1\r\nHost: x\r\n\r\n")],
  ];
}
