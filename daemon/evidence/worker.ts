/** Runs one piece of work on evidence in a process of its own: native code and strangers' bytes stay away from the alerts, and a hang ends with the process. */
import { fork } from "node:child_process";
import { once } from "node:events";
import type { EvidenceClip, EvidenceFile, EvidenceProblem } from "./manifest.ts";
import type { ScorePoint } from "../protocol.ts";

/** A file that the work has left in `out`, before it is hashed. */
export type MadeFile = Pick<EvidenceFile, "name" | "kind" | "mediaType" | "description">;

export interface WorkerOutcome {
  readonly files: readonly MadeFile[];
  readonly clips: readonly EvidenceClip[];
  /** With what there is to say about each. */
  readonly problems: readonly { readonly problem: EvidenceProblem; readonly message: string }[];
}

export interface WorkerJob {
  readonly work: "media" | "heat-map";
  /** Where the recorder wrote. */
  readonly recording: string;
  /** Where the files go. */
  readonly out: string;
  readonly scores: readonly ScorePoint[];
  /** Media clock at the score that fired; times on the contact sheet are counted from it. */
  readonly firedPtsMs: number;
  readonly modelDir: string;
  /** Of the model that raised the alert; another one in its folder is not asked. */
  readonly modelSha256: string;
}

export interface WorkerOptions {
  readonly timeoutMs: number;
  /** Ends the process; what it had made is left out. */
  readonly signal?: AbortSignal;
}

/** Its memory is bounded, its priority the lowest. */
const FLAGS = ["--max-old-space-size=256"];

/** @throws Error when the process ended without an outcome; says how */
export async function runWorker(job: WorkerJob, { timeoutMs, signal }: WorkerOptions): Promise<WorkerOutcome> {
  signal?.throwIfAborted();
  const child = fork(new URL("./worker-process.ts", import.meta.url), [], { serialization: "advanced", execArgv: FLAGS, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let outcome: WorkerOutcome | undefined;
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-1_000);
  });
  child.on("message", (message) => {
    outcome = message as WorkerOutcome;
  });
  // A process that cannot be started says so twice, of itself and of its channel; `once` below hears one of them.
  child.on("error", (error) => {
    complaint = `${complaint}${error.message} `.slice(-1_000);
  });
  const kill = (): void => void child.kill("SIGKILL");
  const timer = setTimeout(kill, timeoutMs);
  signal?.addEventListener("abort", kill, { once: true });
  try {
    child.send(job);
    const [code, endSignal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    if (outcome === undefined) throw new Error(`the ${job.work} worker ended with ${code ?? endSignal} and no outcome: ${complaint.trim()}`);
    return outcome;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
    kill();
  }
}
