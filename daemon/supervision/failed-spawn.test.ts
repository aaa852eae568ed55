/** A system without processes to give, which cannot be had on demand: the first forks fail as Node reports it. */
import type { ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import pino from "pino";
import { expect, test, vi } from "vitest";
import { startSupervisedChild } from "./supervised-child.ts";

const failures: ("event" | "throw")[] = [];

vi.mock("node:child_process", async (importOriginal) => {
  const original = await importOriginal<{ fork: typeof fork }>();
  return {
    ...original,
    fork: (...args: Parameters<typeof fork>) => {
      const failure = failures.shift();
      if (failure === undefined) return original.fork(...args);
      if (failure === "throw") throw new Error("spawn EMFILE");
      const child = new EventEmitter() as ChildProcess;
      setImmediate(() => child.emit("error", new Error("spawn EAGAIN")));
      return child;
    },
  };
});

const options = {
  name: "echo",
  entry: new URL("./testing/echo-child.ts", import.meta.url),
  init: () => ({}),
  onMessage: () => undefined,
  log: pino({ level: "silent" }),
};

test("a restart that finds no process is tried again until there is one", async () => {
  await using child = await startSupervisedChild<object, { pid: number }, { type: "echo" }, { type: string }>(options);
  failures.push("event", "throw");
  if (child.state.kind !== "ready") throw new Error("not ready");
  process.kill(child.state.pid, "SIGKILL");
  await vi.waitFor(() => expect(child.restarts).toBe(3), { timeout: 5_000 });
  await vi.waitFor(() => expect(child.state.kind).toBe("ready"), { timeout: 5_000 });
});

test.each(["event", "throw"] as const)("a first start that finds no process is an error (%s)", async (failure) => {
  failures.push(failure);
  await expect(startSupervisedChild(options)).rejects.toThrow(/could not be started: spawn E/);
});
