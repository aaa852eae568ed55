/** A publisher that comes back whenever it was cut off, as publishing programs do: a real ffmpeg, started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const BACK_AFTER_MS = 200;

export interface KeptPublisher extends AsyncDisposable {
  /** The ffmpeg of the moment. */
  readonly process: ChildProcess | null;
  close(): Promise<void>;
}

/** @param args of ffmpeg, its input and output among them */
export function keepPublishing(args: readonly string[]): KeptPublisher {
  let ending = false;
  let current: ChildProcess | null = null;
  const loop = (async () => {
    while (!ending) {
      current = spawn("ffmpeg", ["-nostdin", "-v", "quiet", ...args], { stdio: "ignore" });
      await once(current, "exit");
      if (!ending) await sleep(BACK_AFTER_MS);
    }
  })();
  const close = async (): Promise<void> => {
    ending = true;
    current?.kill("SIGKILL");
    await loop;
  };
  return {
    get process() {
      return current;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Arguments that publish a file in a loop, in real time. */
export function looped(file: string, url: string): string[] {
  return ["-re", "-stream_loop", "-1", "-i", file, "-c", "copy", "-f", "flv", url];
}
