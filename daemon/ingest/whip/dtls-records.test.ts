import { expect, test } from "vitest";
import { acceptsRecords } from "./dtls-records.ts";

const limits = { maxHandshakeBytes: 16_384 };
const record = (type: number, epoch: number, body: Buffer): Buffer => {
  const header = Buffer.alloc(13);
  header.writeUInt8(type, 0);
  header.writeUInt16BE(0xfefd, 1);
  header.writeUInt16BE(epoch, 3);
  header.writeUInt16BE(body.length, 11);
  return Buffer.concat([header, body]);
};
const handshake = (length: number, fragmentOffset: number, fragment: Buffer): Buffer => {
  const header = Buffer.alloc(12);
  header.writeUInt8(1, 0);
  header.writeUIntBE(length, 1, 3);
  header.writeUIntBE(fragmentOffset, 6, 3);
  header.writeUIntBE(fragment.length, 9, 3);
  return Buffer.concat([header, fragment]);
};
const hello = record(22, 0, handshake(20, 0, Buffer.alloc(20)));
const sealedAlert = record(21, 1, Buffer.concat([Buffer.from("0001000000000001", "hex"), Buffer.alloc(18, 9)]));

test.each([
  ["a handshake message", hello],
  ["two records in one datagram", Buffer.concat([hello, record(20, 0, Buffer.from([1]))])],
  ["a fragment", record(22, 0, handshake(2_000, 1_000, Buffer.alloc(1_000)))],
  ["a sealed Finished", record(22, 1, Buffer.alloc(40, 3))],
])("during the handshake it takes %s", (_what, datagram) => {
  expect(acceptsRecords(datagram, false, limits)).toBe(true);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["a header cut short", hello.subarray(0, 10)],
  ["a record cut short", hello.subarray(0, 20)],
  ["a record without a body", record(22, 0, Buffer.alloc(0))],
  ["a message that declares 16 MiB", record(22, 0, handshake(0xff_ff_ff, 0, Buffer.alloc(20)))],
  ["a fragment beyond its message", record(22, 0, handshake(20, 10, Buffer.alloc(20)))],
  ["a message cut short", record(22, 0, handshake(20, 0, Buffer.alloc(20)).subarray(0, 20))],
  ["an alert in clear", record(21, 0, Buffer.from([1, 0]))],
  ["an alert in clear under the name of a sealed one", record(21, 1, Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(24)]))],
  ["application data", record(23, 1, Buffer.alloc(40))],
  ["a later epoch", record(22, 2, Buffer.alloc(40))],
])("it never takes %s", (_what, datagram) => {
  expect(acceptsRecords(datagram, false, limits)).toBe(false);
});

test("once secured it takes only what is sealed: no ClientHello begins anew", () => {
  expect(acceptsRecords(hello, true, limits)).toBe(false);
  expect(acceptsRecords(record(22, 1, Buffer.alloc(40, 3)), true, limits)).toBe(true);
  expect(acceptsRecords(sealedAlert, true, limits)).toBe(true);
});
