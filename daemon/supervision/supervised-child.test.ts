import { fork } from "node:child_process";
import { once } from "node:events";
import pino from "pino";
import { expect, test, vi } from "vitest";
import { isRunning } from "../testing/processes.ts";
import { type ChildState, type RestartCause, startSupervisedChild } from "./supervised-child.ts";

type Info = { pid: number };
type Command = { type: "echo" } | { type: "exit"; code: number } | { type: "hang" } | { type: "spawn" } | { type: "end-slowly" };

async function start(init: { fail?: boolean } = {}, limits: { readonly heartbeatTimeoutMs: number; readonly closeTimeoutMs?: number } = { heartbeatTimeoutMs: 1_000 }) {
  const states: ChildState<Info>[] = [];
  const causes: RestartCause[] = [];
  const messages: { type: string }[] = [];
  const child = await startSupervisedChild<{ fail?: boolean }, Info, Command, { type: string }>({
    name: "echo",
    entry: new URL("./testing/echo-child.ts", import.meta.url),
    init: () => init,
    onMessage: (message) => messages.push(message),
    onState: (state) => states.push(state),
    onRestart: (cause) => causes.push(cause),
    log: pino({ level: "silent" }),
    ...limits,
  });
  return { child, states, causes, messages };
}

function pidOf(state: ChildState<Info>): number {
  if (state.kind !== "ready") throw new Error(`not ready but ${state.kind}`);
  return state.info.pid;
}

test("a child that ends is back within a second, and the cause is counted", async () => {
  const { child, causes, states } = await start();
  await using _ = child;
  const before = pidOf(child.state);
  const killedAt = performance.now();
  process.kill(before, "SIGKILL");
  await vi.waitFor(() => expect(states.filter((state) => state.kind === "ready")).toHaveLength(2), { timeout: 5_000, interval: 5 });
  expect(performance.now() - killedAt).toBeLessThan(1_000);
  expect(pidOf(child.state)).not.toBe(before);
  expect(causes).toEqual(["signal"]);
  expect(child.restarts).toBe(1);
});

test("a child that stops answering is killed and started again", async () => {
  const { child, causes } = await start();
  await using _ = child;
  child.send({ type: "hang" });
  await vi.waitFor(() => expect(causes).toEqual(["wedged"]), { timeout: 5_000 });
  await vi.waitFor(() => expect(child.state.kind).toBe("ready"), { timeout: 5_000 });
});

test.each(["SIGKILL", "close"] as const)("what a child has started is gone with it (%s)", async (end) => {
  const { child, states, messages } = await start();
  await using _ = child;
  child.send({ type: "spawn" });
  await vi.waitFor(() => expect(messages).toMatchObject([{ type: "spawned" }]), { timeout: 5_000 });
  const { pid } = messages[0] as unknown as { readonly pid: number };
  expect(isRunning(pid)).toBe(true);
  if (end === "close") await child.close();
  else {
    process.kill(pidOf(child.state), "SIGKILL");
    await vi.waitFor(() => expect(states.filter((state) => state.kind === "down")).toHaveLength(1), { timeout: 5_000 });
  }
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 5_000 });
});

test("a child whose daemon is gone and whose end hangs takes what it has started with it", { timeout: 30_000 }, async () => {
  const child = fork(new URL("./testing/hanging-child.ts", import.meta.url), [], { serialization: "advanced", detached: true, stdio: ["ignore", "ignore", "ignore", "ipc"] });
  const exited = once(child, "exit");
  child.send({ type: "init", options: {} });
  const [{ info }] = (await once(child, "message")) as [{ readonly info: { readonly started: number } }];
  child.disconnect();
  await exited;
  await vi.waitFor(() => expect(isRunning(info.started)).toBe(false), { timeout: 5_000 });
});

test("a first start that fails rejects with the child's own code and message", async () => {
  await expect(start({ fail: true })).rejects.toMatchObject({ code: "port-in-use", message: "127.0.0.1:1 is taken" });
});

test("a first start that hangs is given up on the signal, and its process is gone", async () => {
  const abort = new AbortController();
  const pid = Promise.withResolvers<number>();
  const starting = startSupervisedChild<{ hang: boolean }, Info, Command, { type: string; pid: number }>({
    name: "echo",
    entry: new URL("./testing/echo-child.ts", import.meta.url),
    init: () => ({ hang: true }),
    onMessage: (message) => pid.resolve(message.pid),
    log: pino({ level: "silent" }),
    signal: abort.signal,
    closeTimeoutMs: 100,
  });
  const outcome = expect(starting).rejects.toBe("SIGTERM");
  const hanging = await pid.promise;
  abort.abort("SIGTERM");
  await outcome;
  expect(() => process.kill(hanging, 0)).toThrow();
});

test("messages to a child that is down are refused, not queued", async () => {
  const { child } = await start();
  await child.close();
  expect(child.send({ type: "echo" })).toBe(false);
  expect(child.state.kind).toBe("closed");
});

test("of children silent for longer than a close may take, one that hangs is not waited for as long, and one that answers is", { timeout: 30_000 }, async () => {
  const limits = { heartbeatTimeoutMs: 60_000, closeTimeoutMs: 2_000 };
  const [hanging, slow] = await Promise.all([start({}, limits), start({}, limits)]);
  const startedAt = performance.now();
  hanging.child.send({ type: "hang" });
  slow.child.send({ type: "end-slowly" });
  await vi.waitFor(() => expect(performance.now() - startedAt).toBeGreaterThan(limits.closeTimeoutMs), { timeout: 5_000 });
  const closedAt = performance.now();
  await Promise.all([hanging.child.close().then(() => expect(performance.now() - closedAt).toBeLessThan(limits.closeTimeoutMs)), slow.child.close()]);
  expect(slow.messages).toEqual([{ type: "ending" }, { type: "ended" }]);
});

test("close ends the process and is idempotent", async () => {
  const { child, messages } = await start();
  const pid = pidOf(child.state);
  child.send({ type: "echo" });
  await vi.waitFor(() => expect(messages).toHaveLength(1));
  await Promise.all([child.close(), child.close()]);
  expect(() => process.kill(pid, 0)).toThrow();
});
