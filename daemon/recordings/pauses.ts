/**
 * Survives a machine that stands still: a laptop that sleeps, a process that is stopped (SIGSTOP). When it goes on,
 * every deadline has passed at once, and detector, prober and inference process are given up though nothing is wrong.
 */

export interface PauseOptions {
  /** Time without a turn of the event loop that counts as a pause. */
  readonly pauseMs?: number;
  readonly attempts?: number;
  /** Waited for before another try. */
  readonly beforeRetry?: () => Promise<void>;
  /** A failure that is worth another try even without a pause. */
  readonly isPassing?: (error: unknown) => boolean;
}

const TICK_MS = 1_000;

/** Runs `attempt`, and again when it failed across a pause. @throws what the last attempt threw */
export async function despitePauses<Result>(attempt: () => Promise<Result>, options: PauseOptions = {}): Promise<Result> {
  const { pauseMs = 5_000, attempts = 5, beforeRetry = async () => undefined, isPassing = () => false } = options;
  let lastTickMs = performance.now();
  let paused = false;
  // Looked at in the timer and after a failure: after a pause it is chance which timer is called first.
  const look = (): void => {
    const nowMs = performance.now();
    if (nowMs - lastTickMs > pauseMs) paused = true;
    lastTickMs = nowMs;
  };
  const timer = setInterval(look, Math.min(TICK_MS, pauseMs / 2));
  try {
    for (let count = 1; ; count++) {
      paused = false;
      try {
        return await attempt();
      } catch (error) {
        look();
        if (count === attempts || !(paused || isPassing(error))) throw error;
        await beforeRetry();
      }
    }
  } finally {
    clearInterval(timer);
  }
}
