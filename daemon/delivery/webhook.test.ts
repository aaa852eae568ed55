/** Webhooks against a real HTTP server: signed so that the reference library accepts them, and what each answer leads to. */
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createReceivers } from "../receivers.ts";
import type { Outcome, Sender } from "./receiver.ts";
import { type Delivered, type HttpReceiver, startHttpReceiver } from "./testing/http-receiver.ts";
import { alert, T, uuid } from "./testing/outbox.ts";
import { keyOf } from "./webhook-signature.ts";

const secret = (): string => `whsec_${randomBytes(32).toString("base64")}`;
const event = { seq: 7, id: uuid(7, 3), kind: "new", at: T, alert: alert(1, { stream: "studio <b>" }) } as const;
const { signal } = new AbortController();
const SECRET = secret();
let receiver: HttpReceiver;
const senders: Sender[] = [];
const NOTHING: Delivered = { headers: {}, url: "", body: "" };

beforeEach(async () => void (receiver = await startHttpReceiver()));
afterEach(async () => {
  for (const sender of senders.splice(0)) sender.close();
  await receiver[Symbol.asyncDispose]();
});

function webhook({ secrets = [SECRET], allow = ["127.0.0.1"], url = receiver.url, publicUrl = null }: { secrets?: string[]; allow?: string[]; url?: URL; publicUrl?: string | null } = {}): Sender {
  const config = { delivery: { answerTimeoutMs: 500, giveUpAfterMs: 1e9 }, outbound: { allow }, http: { publicUrl } };
  const [made] = createReceivers({ configured: [{ type: "webhook", name: "desk", url, secrets, streams: null, rules: null, kinds: null }], config });
  if (made === undefined) throw new Error("no receiver");
  senders.push(made.sender);
  return made.sender;
}
const send = (sender: Sender): Promise<Outcome> => sender.send([event], signal);

test("the reference library accepts an event, and it is a CloudEvent in structured mode", async () => {
  const outcome = await send(webhook({ publicUrl: "https://truecast.example/" }));
  expect(outcome).toEqual({ kind: "delivered" });
  const [{ headers, body } = NOTHING] = receiver.taken;
  const payload = new Webhook(SECRET).verify(body, headers as Record<string, string>);
  expect(headers["content-type"]).toBe("application/cloudevents+json; charset=utf-8");
  expect(headers["webhook-id"]).toBe(event.id);
  expect(payload).toEqual({
    specversion: "1.0",
    id: event.id,
    source: "https://truecast.example/",
    type: "io.truecast.alert.new",
    subject: `streams/studio <b>/alerts/${event.alert.id}`,
    time: new Date(T).toISOString(),
    datacontenttype: "application/json",
    data: { seq: 7, alert: event.alert, dashboard: "https://truecast.example/#/streams/studio%20%3Cb%3E" },
  });
});

test("while keys are changed a receiver with the old key and one with the new key both accept, and a stranger's does not", async () => {
  const [fresh, old] = [secret(), secret()];
  await send(webhook({ secrets: [fresh, old] }));
  const [{ headers, body } = NOTHING] = receiver.taken;
  for (const known of [fresh, old]) expect(new Webhook(known).verify(body, headers as Record<string, string>)).toMatchObject({ id: event.id });
  expect(() => new Webhook(secret()).verify(body, headers as Record<string, string>)).toThrow(/signature/i);
  expect(() => new Webhook(fresh).verify(body.replace("manipulated", "authentic!!"), headers as Record<string, string>)).toThrow(/signature/i);
});

test("a test message says that it is one, and is signed like an event", async () => {
  expect(await webhook().test(uuid(1, 9), signal)).toEqual({ kind: "delivered" });
  const [{ headers, body } = NOTHING] = receiver.taken;
  expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({ id: uuid(1, 9), type: "io.truecast.receiver.test", source: "/truecast" });
});

test.each([
  ["plain text", "must begin with whsec_"],
  ["whsec_not base64!", "must be base64"],
  [`whsec_${Buffer.alloc(23).toString("base64")}`, "must hold 24 to 64 bytes, not 23"],
  [`whsec_${Buffer.alloc(65).toString("base64")}`, "must hold 24 to 64 bytes, not 65"],
])("the secret %s is refused without being shown", (wrong, reason) => {
  expect(keyOf(wrong)).toContain(reason);
  expect(() => webhook({ secrets: [wrong] })).toThrow(reason);
  expect(() => webhook({ secrets: [wrong] })).not.toThrow(wrong);
});

test.each([
  [500, {}, null, ""],
  [400, {}, null, ""],
  [429, { "retry-after": "7" }, 7_000, ""],
  [302, { location: "http://127.0.0.1:1/" }, null, "; redirects are not followed"],
] as const)("an answer of %s is a failure that is tried again", async (status, headers, retryAfter, more) => {
  receiver.answer = () => ({ status, headers: { ...headers }, body: "a secret of the receiver's" });
  expect(await send(webhook())).toEqual({ kind: "failed", code: "delivery-failed", message: `${receiver.url.host} answered ${status}${more}`, retryAfterMs: retryAfter });
  expect(receiver.refused).toHaveLength(1);
});

test("Retry-After as a date is a wait until then", async () => {
  receiver.answer = () => ({ status: 503, headers: { "retry-after": new Date(Date.now() + 60_000).toUTCString() } });
  const outcome = await send(webhook());
  expect(outcome).toMatchObject({ kind: "failed", retryAfterMs: expect.closeTo(60_000, -4) });
});

test("410 says that nothing more is wanted", async () => {
  receiver.answer = () => ({ status: 410 });
  expect(await send(webhook())).toEqual({ kind: "gone", message: `${receiver.url.host} answered 410` });
});

test("a receiver that is not there, does not answer or breaks off is tried again, and no message holds its path", async () => {
  receiver.answer = () => "hang";
  expect(await send(webhook())).toMatchObject({ kind: "failed", code: "unreachable", message: expect.stringMatching(/did not answer within 0.5 s/) });
  receiver.answer = () => "cut";
  const cut = await send(webhook());
  expect(cut).toMatchObject({ kind: "failed", code: "unreachable" });
  expect(JSON.stringify(cut)).not.toContain("hidden");
  await receiver[Symbol.asyncDispose]();
  expect(await send(webhook())).toMatchObject({ kind: "failed", code: "unreachable", message: expect.stringMatching(/ECONNREFUSED/) });
  receiver = await startHttpReceiver();
});

test("a taken event stays taken however long its answer is", async () => {
  receiver.answer = () => ({ status: 200, body: "x".repeat(1_000_000) });
  expect(await send(webhook())).toEqual({ kind: "delivered" });
});

test("no inner address is sent to: a literal one ends the start, a name that leads there fails", async () => {
  expect(() => webhook({ allow: [] })).toThrow(/Receiver "desk": .*loopback.*outbound.allow/);
  expect(await send(webhook({ allow: [], url: new URL(`http://localhost:${receiver.url.port}/`) }))).toMatchObject({ kind: "failed", code: "address-refused" });
  expect(receiver.taken).toEqual([]);
});
