/** A child for the supervisor's tests: it answers, ends, hangs, fails or starts another process as it is told. */
import { spawn } from "node:child_process";

let endsSlowly = false;

process.on("message", (raw) => {
  const message = raw as { type: string; options?: { fail?: boolean; hang?: boolean }; code?: number };
  switch (message.type) {
    case "init":
      if (message.options?.fail) {
        process.send?.({ type: "failed", code: "port-in-use", message: "127.0.0.1:1 is taken" }, () => process.exit(1));
        return;
      }
      if (message.options?.hang) {
        process.send?.({ type: "hanging", pid: process.pid });
        for (;;);
      }
      process.send?.({ type: "ready", info: { pid: process.pid } });
      return;
    case "echo":
      process.send?.({ type: "echoed", pid: process.pid });
      return;
    case "spawn":
      process.send?.({ type: "spawned", pid: spawn("sleep", ["1000"], { stdio: "ignore" }).pid });
      return;
    case "exit":
      process.exit(message.code ?? 1);
      return;
    case "hang":
      for (;;);
    case "end-slowly":
      endsSlowly = true;
      return;
    case "close":
      if (!endsSlowly) process.exit(0);
      process.send?.({ type: "ending" });
      setTimeout(() => process.send?.({ type: "ended" }, () => process.exit(0)), 800);
  }
});
process.on("disconnect", () => process.exit(0));
