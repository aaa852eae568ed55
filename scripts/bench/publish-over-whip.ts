/** A WHIP publisher as a process of its own: lighter than a browser, and its CPU is told from the daemon's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Publisher } from "../../daemon/testing/daemon-process.ts";

export interface WhipPublication {
  /** H.264 without B-frames, 30 a second. */
  readonly video: string;
  /** With the stream's name. */
  readonly endpoint: string;
  readonly key: string;
}

export interface WhipPublisher extends Publisher {
  /** Wall time just before the POST. Rejects when the process ends without one. */
  readonly postedAt: Promise<number>;
}

/** Publishes the file in a loop, in real time. Closing deletes the session. */
export function publishOverWhip({ video, endpoint, key }: WhipPublication): WhipPublisher {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./whip-publisher.ts", import.meta.url)), video, endpoint, key], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const posted = Promise.withResolvers<number>();
  createInterface({ input: child.stdout }).once("line", (line) => posted.resolve(Number(line)));
  void exited.then(() => posted.reject(new Error(`the publisher to ${endpoint} ended before it had begun`)));
  // Most callers do not ask.
  posted.promise.catch(() => undefined);
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
  };
  return { process: child, postedAt: posted.promise, close, [Symbol.asyncDispose]: close };
}
