/** Deliveries in a process that is killed in the middle, again and again: none lost, none different, none out of order. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Webhook } from "standardwebhooks";
import { expect, onTestFinished, test, vi } from "vitest";
import type { AlertEvent } from "../protocol.ts";
import { openStore } from "../store/store.ts";
import { startHttpReceiver } from "./testing/http-receiver.ts";
import { alert, ended, log, tell } from "./testing/outbox.ts";

const CHILD = fileURLToPath(new URL("./testing/delivering-child.ts", import.meta.url));

test("kill -9 in the middle loses no event, and what comes twice is the same", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "truecast-deliveries-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "truecast.db");
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  await using receiver = await startHttpReceiver();
  let tried = 0;
  // Every fifth try fails, so that there are parked events when it is killed.
  receiver.answer = () => ({ status: ++tried % 5 === 0 ? 503 : 204, headers: { "retry-after": "0" } });
  const deliver = () => spawn(process.execPath, [CHILD, path, receiver.url.href, secret], { stdio: ["ignore", "inherit", "inherit"] });
  const killedAfter = async (taken: number): Promise<void> => {
    const child = deliver();
    const exited = once(child, "exit");
    try {
      await vi.waitFor(() => expect(receiver.taken.length).toBeGreaterThanOrEqual(taken), { timeout: 60_000, interval: 1 });
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  };

  {
    await using store = openStore({ path, log });
    // Known to the store before the first event, or it would begin after them.
    store.saveProgress({ name: "desk", config: "", cursor: 0, disabled: null, failingSinceMs: null, lastSuccessAtMs: null, lastFailure: null });
    for (let number = 0; number < 200; number++) {
      tell(store, alert(number), "new");
      tell(store, alert(number, { score: 0.95 }), "update");
      tell(store, ended(number), "end");
    }
  }
  for (const taken of [50, 200, 400]) await killedAfter(taken);
  const child = deliver();
  const exited = once(child, "exit");
  const ids = (): Set<unknown> => new Set(receiver.taken.map(({ headers }) => headers["webhook-id"]));
  await vi.waitFor(() => expect(ids().size).toBe(600), { timeout: 60_000, interval: 20 });
  child.kill("SIGKILL");
  await exited;

  const bodies = new Map<unknown, string>();
  const kinds = new Map<string, string[]>();
  for (const { headers, body } of receiver.taken) {
    const id = headers["webhook-id"];
    expect(bodies.get(id) ?? body).toBe(body);
    if (!bodies.has(id)) {
      const { type, data } = new Webhook(secret).verify(body, headers as Record<string, string>) as { type: string; data: AlertEvent };
      kinds.set(data.alert.id, [...(kinds.get(data.alert.id) ?? []), type]);
    }
    bodies.set(id, body);
  }
  expect(kinds.size).toBe(200);
  for (const told of kinds.values()) expect(told).toEqual(["io.truecast.alert.new", "io.truecast.alert.update", "io.truecast.alert.end"]);
});
