import { expect, test } from "vitest";
import { bindingSuccess, isSignedWith, readBindingRequest, roleConflict } from "./stun.ts";
import { bindingRequest } from "./testing/stun-client.ts";
import { seededRandom } from "../../testing/seeded-random.ts";

const PASSWORD = "the-password-of-a-session";
const check = bindingRequest({ username: "local:remote", password: PASSWORD, transactionId: Buffer.from("b7e7a701bc34d686fa87dfae", "hex") });

test("a check of a client is read, and good only with the session's password", () => {
  const request = readBindingRequest(check);
  expect(request).toMatchObject({ localUfrag: "local", remoteUfrag: "remote", useCandidate: true, controlling: true });
  expect(request && isSignedWith(PASSWORD, check, request)).toBe(true);
  expect(request && isSignedWith("another", check, request)).toBe(false);
  const tampered = Buffer.from(check);
  tampered.writeUInt8(tampered.readUInt8(30) ^ 1, 30);
  const read = readBindingRequest(tampered);
  expect(read !== null && isSignedWith(PASSWORD, tampered, read)).toBe(false);
});

test("the answer carries the client's address as RFC 5769 encodes it, for IPv4 and IPv6", () => {
  const request = readBindingRequest(check);
  if (request === null) throw new Error("the check cannot be read");
  expect(bindingSuccess(request, { address: "192.0.2.1", port: 32_853 }, PASSWORD).toString("hex")).toContain("002000080001a147e112a643");
  expect(bindingSuccess(request, { address: "::ffff:192.0.2.1", port: 32_853 }, PASSWORD).toString("hex")).toContain("002000080001a147e112a643");
  expect(bindingSuccess(request, { address: "2001:db8:1234:5678:11:2233:4455:6677", port: 32_853 }, PASSWORD).toString("hex")).toContain("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9");
  expect(bindingSuccess(request, { address: "2001:db8::1", port: 1 }, PASSWORD)).toHaveLength(20 + 24 + 24 + 8);
});

test("a client that takes itself for the controlled side is told of the conflict", () => {
  const controlled = bindingRequest({ username: "local:remote", password: PASSWORD, controlled: true });
  const request = readBindingRequest(controlled);
  expect(request?.controlling).toBe(false);
  if (request !== null) expect(roleConflict(request, PASSWORD).readUInt16BE(0)).toBe(0x0111);
});

test("no mutation is taken, and none throws", () => {
  const random = seededRandom(8_489);
  for (let count = 0; count < 20_000; count += 1) {
    const bytes = Buffer.from(check.subarray(0, random() < 0.2 ? Math.floor(random() * check.length) : check.length));
    const flips = 1 + Math.floor(random() * 4);
    for (let flip = 0; flip < flips && bytes.length > 0; flip += 1) {
      const at = Math.floor(random() * bytes.length);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
    }
    if (bytes.equals(check)) continue;
    const request = readBindingRequest(bytes);
    if (request !== null) expect(isSignedWith(PASSWORD, bytes, request)).toBe(false);
  }
});
