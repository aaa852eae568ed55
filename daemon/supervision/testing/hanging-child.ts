/** A child with a process of its own, and an end that never comes. */
import { spawn } from "node:child_process";
import { runChild } from "../child-lifecycle.ts";

runChild<object, { readonly started: number }, never>(async () => ({
  info: { started: spawn("sleep", ["1000"], { stdio: "ignore" }).pid ?? 0 },
  onCommand: () => undefined,
  close: () => new Promise(() => undefined),
}));
