/** Works through a list with several workers at a time, and says on standard error how far it is and how long it will take. */

export interface WorkOptions<Item, Worker extends AsyncDisposable> {
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Called once for each worker; its resources are its own, so that workers do not wait for each other. */
  readonly openWorker: () => Promise<Worker>;
  /** The first error ends the whole work. @returns whether it had been done before */
  readonly work: (item: Item, worker: Worker) => Promise<"done" | "cached">;
  readonly nameOf: (item: Item) => string;
}

export async function workThrough<Item, Worker extends AsyncDisposable>(items: readonly Item[], options: WorkOptions<Item, Worker>): Promise<void> {
  const { jobs, signal, openWorker, work, nameOf } = options;
  const progress = createWorkProgress(items.length);
  const queue = items.values();
  const failed = new AbortController();
  const runWorker = async (): Promise<void> => {
    await using worker = await openWorker();
    // One iterator for all workers: each takes the next item that nobody has.
    for (const item of queue) {
      if (signal.aborted || failed.signal.aborted) return;
      progress.advance(await work(item, worker), nameOf(item));
    }
  };
  const workers = Array.from({ length: Math.max(1, Math.min(jobs, items.length)) }, () =>
    runWorker().catch((error: unknown) => {
      failed.abort(error);
    }),
  );
  await Promise.all(workers);
  progress.end();
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}

const TERMINAL_INTERVAL_MS = 200;
/** Where the lines go to a log they are rarer. */
const LOG_INTERVAL_MS = 15_000;

function createWorkProgress(total: number) {
  const terminal = process.stderr.isTTY;
  const startedAtMs = performance.now();
  let shownAtMs = startedAtMs;
  let done = 0;
  let cached = 0;
  return {
    advance(how: "done" | "cached", name: string): void {
      done++;
      if (how === "cached") cached++;
      const nowMs = performance.now();
      if (nowMs - shownAtMs < (terminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS)) return;
      shownAtMs = nowMs;
      const fresh = done - cached;
      // What comes from the cache takes no time and would make the rest look quick.
      const left = fresh === 0 ? "" : `, ${duration(((nowMs - startedAtMs) / fresh) * (total - done))} left`;
      const line = `${done}/${total}${cached > 0 ? ` (${cached} from the cache)` : ""}${left}, last ${name}`;
      process.stderr.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
    },
    end(): void {
      if (terminal) process.stderr.write("\r\x1b[K");
    },
  };
}

export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
