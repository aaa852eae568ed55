import { expect, test } from "vitest";
import { createOutboundGuard, type Lookup } from "./outbound-guard.ts";

const answers = (...addresses: string[]): Lookup => () => Promise.resolve(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
const refused = { code: "address-refused" };

test("a public name is pinned to its address and resolved once", async () => {
  let asked = 0;
  const guard = createOutboundGuard({ allow: [], lookup: (name) => (asked++, answers("93.184.216.34")(name)) });
  expect(await guard.pin("example.org")).toEqual({ name: "example.org", address: "93.184.216.34", family: 4 });
  expect(asked).toBe(1);
});

test.each(["127.0.0.1", "[::1]", "10.1.2.3", "[::ffff:10.1.2.3]", "[64:ff9b::7f00:1]", "169.254.169.254", "0.0.0.0", "[fe80::1%25eth0]"])("the literal %s is refused", async (host) => {
  await expect(createOutboundGuard({ allow: [] }).pin(host)).rejects.toMatchObject(refused);
});

// To Node these are names; the system's resolver takes them for numbers.
test.each(["2130706433", "0177.0.0.1", "0x7f000001", "127.1", "0", "0x7f.1", "localhost", "localhost."])("%s leads to loopback and is refused", async (host) => {
  await expect(createOutboundGuard({ allow: [] }).pin(host)).rejects.toMatchObject(refused);
});

test("a name with an inner address is refused, and one with both kinds is pinned to the public one", async () => {
  await expect(createOutboundGuard({ allow: [], lookup: answers("192.168.0.7") }).pin("a.example")).rejects.toMatchObject(refused);
  expect(await createOutboundGuard({ allow: [], lookup: answers("127.0.0.1", "93.184.216.34") }).pin("a.example")).toMatchObject({ address: "93.184.216.34" });
});

test("what is allowed is reached, also wrapped, and nothing beside it", async () => {
  const guard = createOutboundGuard({ allow: ["192.168.10.0/24", "::1"] });
  expect(await guard.pin("192.168.10.5")).toMatchObject({ address: "192.168.10.5" });
  expect(await guard.pin("[::ffff:192.168.10.5]")).toMatchObject({ family: 6 });
  expect(await guard.pin("[::1]")).toMatchObject({ address: "::1" });
  await expect(guard.pin("192.168.11.5")).rejects.toMatchObject(refused);
});

test("a metadata service is opened by its own address alone, not by a block around it", async () => {
  await expect(createOutboundGuard({ allow: ["169.254.0.0/16", "0.0.0.0/0"] }).pin("169.254.169.254")).rejects.toMatchObject(refused);
  expect(await createOutboundGuard({ allow: ["169.254.169.254"] }).pin("169.254.169.254")).toMatchObject({ family: 4 });
});

test("a name without an address, a silent resolver and a host that is no name are told apart", async () => {
  await expect(createOutboundGuard({ allow: [], lookup: answers() }).pin("a.example")).rejects.toMatchObject({ code: "unreachable" });
  await expect(createOutboundGuard({ allow: [], lookup: () => new Promise(() => undefined), lookupTimeoutMs: 10 }).pin("a.example")).rejects.toMatchObject({ code: "unreachable" });
  await expect(createOutboundGuard({ allow: [] }).pin("a b")).rejects.toMatchObject(refused);
});

test.each(["10.0.0.0/33", "10.0.0.0/", "example.org", "10.0.0.0/8/8x", ""])("%j is no entry of the list", (entry) => {
  expect(() => createOutboundGuard({ allow: [entry] })).toThrowError(expect.objectContaining({ code: "config-invalid" }));
});
