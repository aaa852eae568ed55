/** Deliveries on a real store: nothing is lost, nothing overtakes, and no receiver waits for another. */
import { randomBytes } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import type { AlertEvent } from "../protocol.ts";
import type { Store } from "../store/store.ts";
import { type Deliveries, startDeliveries } from "./deliveries.ts";
import type { Attempt } from "./lane.ts";
import type { Outcome, Receiver, ReceiverFilter } from "./receiver.ts";
import { type FakeClock, fakeClock } from "./testing/fake-clock.ts";
import { startHttpReceiver } from "./testing/http-receiver.ts";
import { alert, ended, log, memoryStore, T, tell, tellMany } from "./testing/outbox.ts";
import { createWebhook } from "./webhook.ts";
import { createGuardedHttp } from "../outbound/guarded-http.ts";
import { createOutboundGuard } from "../outbound/outbound-guard.ts";

const HOUR_MS = 3_600_000;
const ALL: ReceiverFilter = { streams: null, rules: null, kinds: null };
const DOWN: Outcome = { kind: "failed", code: "unreachable", message: "desk.example cannot be reached (ECONNREFUSED).", retryAfterMs: null };
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

interface Scripted extends Receiver {
  readonly sent: AlertEvent[];
  readonly tried: AlertEvent[];
  answer: (event: AlertEvent) => Outcome | Promise<Outcome>;
}

function scripted(name: string, { filter = ALL, configDigest = "a" }: { filter?: ReceiverFilter; configDigest?: string } = {}): Scripted {
  const receiver: Scripted = {
    name,
    type: "webhook",
    filter,
    configDigest,
    sent: [],
    tried: [],
    answer: () => ({ kind: "delivered" }),
    sender: {
      address: "https://desk.example",
      maxInFlight: 4,
      async send([event], signal) {
        if (event === undefined) throw new Error("nothing to send");
        receiver.tried.push(event);
        const broken = Promise.withResolvers<never>();
        signal.addEventListener("abort", () => broken.reject(signal.reason));
        const outcome = await Promise.race([receiver.answer(event), broken.promise]);
        if (outcome.kind === "delivered") receiver.sent.push(event);
        return outcome;
      },
      test: async () => ({ kind: "delivered" }),
      close: () => undefined,
    },
  };
  return receiver;
}

function start(store: Store, receivers: readonly Receiver[], clock: FakeClock, attempts: Attempt[] = []): Deliveries {
  const deliveries = startDeliveries({ receivers, store, giveUpAfterMs: 72 * HOUR_MS, onAttempt: (_, attempt) => attempts.push(attempt), log, clock, random: () => 0.5 });
  open.push(deliveries);
  return deliveries;
}
function opened(): Store {
  const store = memoryStore();
  open.push(store);
  return store;
}
/** Lets what was sent be answered, without time passing on the fake clock. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
};
/** Lets time pass until nothing is due within it. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  const end = clock.now() + ms;
  await settle();
  while (clock.advanceToNext(end - clock.now())) await settle();
  clock.advance(end - clock.now());
}
const seqs = (events: readonly AlertEvent[]): number[] => events.map(({ seq }) => seq);

test("a new receiver gets every event from its first start on, and none from before", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  tell(store, alert(1), "new");
  const deliveries = start(store, [desk], clock);
  tell(store, alert(1), "update");
  tell(store, ended(1), "end");
  deliveries.wake();
  await settle();
  expect(desk.sent.map(({ kind }) => kind)).toEqual(["update", "end"]);
});

test("a filter by stream, rule and kind is kept, and passes over what it leaves out", async () => {
  const [store, clock] = [opened(), fakeClock(T)];
  const desk = scripted("desk", { filter: { streams: ["studio-b"], rules: ["manipulated-face"], kinds: ["new"] } });
  const deliveries = start(store, [desk], clock);
  tellMany(store, 3_000);
  tell(store, alert(9_001, { stream: "studio-b" }), "update");
  tell(store, alert(9_001, { stream: "studio-b" }), "new");
  deliveries.wake();
  await pass(clock, 1_000);
  expect(seqs(desk.sent)).toEqual([3_002]);
  expect(deliveries.statuses()).toMatchObject([{ backlog: 0, oldestAt: null }]);
});

test("an end never overtakes its beginning, however often that fails, and other alerts do not wait for it", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  const deliveries = start(store, [desk], clock);
  let failures = 5;
  desk.answer = ({ alert: { id }, kind }) => (id === alert(1).id && kind === "new" && failures-- > 0 ? DOWN : { kind: "delivered" });
  tell(store, alert(1), "new");
  tell(store, alert(1), "update");
  tell(store, ended(1), "end");
  for (let i = 2; i < 10; i++) tell(store, alert(i), "new");
  deliveries.wake();
  await pass(clock, 5_000);
  expect(desk.sent.map(({ alert: { id } }) => id)).toEqual([2, 3, 4, 5, 6, 7, 8, 9].map((number) => alert(number).id));
  await pass(clock, HOUR_MS);
  expect(desk.sent.filter(({ alert: { id } }) => id === alert(1).id).map(({ kind }) => kind)).toEqual(["new", "update", "end"]);
  expect(deliveries.statuses()).toMatchObject([{ state: "ready", backlog: 0 }]);
});

test("a receiver that is down for an hour is tried now and then, and then gets everything, each event once and in order", async () => {
  const [store, clock, desk, other] = [opened(), fakeClock(T), scripted("desk"), scripted("other")];
  const deliveries = start(store, [desk, other], clock);
  desk.answer = () => DOWN;
  for (let minute = 0; minute < 60; minute++) {
    for (const kind of ["new", "end"] as const) tell(store, kind === "new" ? alert(minute) : ended(minute), kind, clock.now());
    deliveries.wake();
    await pass(clock, 60_000);
  }
  expect(other.sent).toHaveLength(120);
  expect(desk.tried.length).toBeGreaterThan(10);
  expect(desk.tried.length).toBeLessThan(70);
  expect(deliveries.statuses()).toMatchObject([{ name: "desk", state: "retrying", backlog: 120, oldestAt: T, lastSuccessAt: null, lastFailure: { message: "desk.example cannot be reached (ECONNREFUSED)." } }, { name: "other", state: "ready", backlog: 0 }]);
  desk.answer = () => ({ kind: "delivered" });
  await pass(clock, 300_000);
  expect(new Set(desk.sent.map(({ id }) => id)).size).toBe(120);
  expect(desk.sent).toHaveLength(120);
  for (let minute = 0; minute < 60; minute++) expect(desk.sent.filter(({ alert: { id } }) => id === alert(minute).id).map(({ kind }) => kind)).toEqual(["new", "end"]);
  expect(deliveries.statuses()).toMatchObject([{ state: "ready", backlog: 0, nextTryAt: null }, {}]);
});

test("an event is given up after three days, one that only waited for the receiver as well, and newer ones are not", async () => {
  const [store, clock, desk, attempts] = [opened(), fakeClock(T), scripted("desk"), [] as Attempt[]];
  const deliveries = start(store, [desk], clock, attempts);
  desk.answer = () => DOWN;
  for (let i = 0; i < 3; i++) tell(store, alert(i), "new", clock.now());
  deliveries.wake();
  await pass(clock, 71 * HOUR_MS);
  expect(attempts.filter(({ outcome }) => outcome === "expired")).toEqual([]);
  tell(store, alert(9), "new", clock.now());
  deliveries.wake();
  await pass(clock, 5 * HOUR_MS);
  expect(new Set(seqs(attempts.filter(({ outcome }) => outcome === "expired").flatMap(({ events }) => events)))).toEqual(new Set([1, 2, 3]));
  desk.answer = () => ({ kind: "delivered" });
  await pass(clock, HOUR_MS);
  expect(seqs(desk.sent)).toEqual([4]);
});

test("Retry-After holds everything back for as long as it says", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  const deliveries = start(store, [desk], clock);
  desk.answer = () => ({ ...DOWN, retryAfterMs: 600_000 });
  for (let i = 0; i < 20; i++) tell(store, alert(i), "new");
  deliveries.wake();
  await pass(clock, 599_000);
  expect(desk.tried).toHaveLength(4);
  desk.answer = () => ({ kind: "delivered" });
  await pass(clock, 60_000);
  expect(desk.sent).toHaveLength(20);
});

test("a receiver that is gone is left alone over restarts, until it is enabled or its configuration changes", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  const deliveries = start(store, [desk], clock);
  desk.answer = () => ({ kind: "gone", message: "desk.example answered 410" });
  tell(store, alert(1), "new");
  deliveries.wake();
  await pass(clock, 100 * HOUR_MS);
  expect(desk.tried).toHaveLength(1);
  expect(deliveries.statuses()).toMatchObject([{ state: "disabled", reason: "desk.example answered 410", backlog: 1 }]);
  await deliveries.close();

  const again = start(store, [scripted("desk")], clock);
  await pass(clock, HOUR_MS);
  expect(again.statuses()).toMatchObject([{ state: "disabled", backlog: 1 }]);
  expect(again.enable("nobody")).toBeNull();
  expect(again.enable("desk")).toMatchObject({ state: "ready" });
  await pass(clock, HOUR_MS);
  expect(again.statuses()).toMatchObject([{ state: "ready", backlog: 0 }]);

  const third = scripted("other");
  third.answer = () => ({ kind: "gone", message: "x" });
  const before = start(store, [third], clock);
  tell(store, alert(2), "new");
  before.wake();
  await pass(clock, 1_000);
  await before.close();
  const changed = scripted("other", { configDigest: "b" });
  const after = start(store, [changed], clock);
  await pass(clock, 1_000);
  expect(seqs(changed.sent)).toEqual([2]);
  expect(after.statuses()).toMatchObject([{ state: "ready", backlog: 0 }]);
});

test("what was under way when it was closed is sent again by the next start, and the rest is not", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  const first = start(store, [desk], clock);
  desk.answer = ({ seq }) => (seq === 3 ? new Promise<never>(() => undefined) : { kind: "delivered" });
  for (let i = 1; i <= 5; i++) tell(store, alert(i), "new");
  first.wake();
  await settle();
  await first.close();
  const again = scripted("desk");
  start(store, [again], clock);
  await pass(clock, 1_000);
  // At least once: those past the one that hung were delivered, but the cursor could not say so.
  expect(seqs(again.sent)).toEqual([3, 4, 5]);
});

test("what was parked when the process was killed is not sent from the outbox as well", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  const killed = start(store, [desk], clock);
  desk.answer = () => DOWN;
  tell(store, alert(1), "new");
  killed.wake();
  // No time passes, so its progress is only what was saved with the parked ones.
  await settle();
  expect(store.receivers()).toMatchObject([{ cursor: 0 }]);
  const again = scripted("desk");
  const later = fakeClock(T + 1_000);
  start(store, [again], later);
  await pass(later, HOUR_MS);
  expect(seqs(again.sent)).toEqual([1]);
});

test("a store that fails for a while holds deliveries up and loses none", async () => {
  const [store, clock, desk] = [opened(), fakeClock(T), scripted("desk")];
  let broken = false;
  const failing = <T>(value: T): T => {
    if (broken) throw new Error("the disk is full");
    return value;
  };
  const flaky: Store = { ...store, saveProgress: (...of) => failing(store).saveProgress(...of), eventsAfter: (...of) => failing(store).eventsAfter(...of) };
  const deliveries = start(flaky, [desk], clock);
  broken = true;
  tell(store, alert(1), "new");
  deliveries.wake();
  await pass(clock, 60_000);
  expect(desk.tried).toEqual([]);
  broken = false;
  await pass(clock, 10_000);
  expect(seqs(desk.sent)).toEqual([1]);
  expect(deliveries.statuses()).toMatchObject([{ backlog: 0 }]);
});

test("10,000 events that wait are drained over real HTTP in under 60 s, while a receiver beside it hangs", { timeout: 180_000 }, async () => {
  await using server = await startHttpReceiver();
  await using dead = await startHttpReceiver();
  dead.answer = () => "hang";
  const store = opened();
  const http = () => createGuardedHttp(createOutboundGuard({ allow: ["127.0.0.1"] }), { answerTimeoutMs: 10_000, idleTimeoutMs: 10_000, keepAlive: true });
  const { systemClock: clock } = await import("./clock.ts");
  const webhook = (name: string, url: URL): Receiver => ({ name, type: "webhook", filter: ALL, configDigest: "a", sender: createWebhook({ url, keys: [randomBytes(32)], http: http(), clock, publicUrl: null }) });
  const deliveries = startDeliveries({ receivers: [webhook("desk", server.url), webhook("dead", dead.url)], store, giveUpAfterMs: 72 * HOUR_MS, onAttempt: () => undefined, log });
  open.push(deliveries);
  tellMany(store, 10_000);
  const startedAt = performance.now();
  deliveries.wake();
  await vi.waitFor(() => expect(server.taken.length).toBeGreaterThanOrEqual(10_000), { timeout: 170_000, interval: 50 });
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(new Set(server.taken.map(({ headers }) => headers["webhook-id"])).size).toBe(10_000);
  expect(server.taken).toHaveLength(10_000);
  expect(seconds).toBeLessThan(60);
});
