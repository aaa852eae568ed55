/** Runs the real ingest process for a test and collects what it says. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { DaemonToIngest, IngestInfo, IngestOptions, IngestToDaemon } from "../messages.ts";

type Message<T extends IngestToDaemon["type"]> = Extract<IngestToDaemon, { type: T }>;

export interface IngestChild extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly port: number;
  readonly rtmpsPort: number | null;
  readonly whip: IngestInfo["whip"];
  readonly messages: readonly IngestToDaemon[];
  /** Standard output and error together. */
  output(): string;
  send(message: DaemonToIngest): void;
  /** The first message of this type that satisfies `matches`, also one that came earlier. */
  until<T extends IngestToDaemon["type"]>(type: T, matches?: (message: Message<T>) => boolean): Promise<Message<T>>;
  alive(): boolean;
}

const ENTRY = fileURLToPath(new URL("../ingest-process.ts", import.meta.url));

/** Forks the process and resolves at `ready`; rejects with its `failed` message. */
export async function startIngestChild(options: IngestOptions): Promise<IngestChild> {
  const child = fork(ENTRY, { serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"], execArgv: [] });
  const messages: IngestToDaemon[] = [];
  const waiting = new Set<() => void>();
  let output = "";
  let exited = false;
  const wake = () => {
    for (const check of waiting) check();
  };
  child.stdout?.on("data", (bytes: Buffer) => (output += bytes.toString()));
  child.stderr?.on("data", (bytes: Buffer) => (output += bytes.toString()));
  child.on("message", (message: IngestToDaemon) => {
    messages.push(message);
    wake();
  });
  child.on("exit", () => {
    exited = true;
    wake();
  });

  const until: IngestChild["until"] = (type, matches = () => true) =>
    new Promise((resolve, reject) => {
      const check = () => {
        const found = messages.find((message): message is Message<typeof type> => message.type === type && matches(message as Message<typeof type>));
        if (found !== undefined) resolve(found);
        else if (exited) reject(new Error(`the ingest process ended before "${type}": ${JSON.stringify(messages.filter((message) => message.type !== "stats"))} ${output}`));
        else return;
        waiting.delete(check);
      };
      waiting.add(check);
      check();
    });

  child.send({ type: "init", options } satisfies DaemonToIngest);
  const { info } = await until("ready");
  return {
    process: child,
    port: info.port,
    rtmpsPort: info.rtmpsPort,
    whip: info.whip,
    messages,
    output: () => output,
    send: (message) => void child.send(message),
    until,
    alive: () => !exited,
    async [Symbol.asyncDispose]() {
      if (exited) return;
      const exit = once(child, "exit");
      if (child.connected) child.send({ type: "close" } satisfies DaemonToIngest);
      await exit;
    },
  };
}
