/** The daemon's named clean-up stack: what was started last ends first, under one deadline, and a start that fails half-way unwinds it too. */
import type { Logger } from "pino";

interface Step {
  readonly name: string;
  readonly close: () => Promise<void>;
}

export class CleanUp {
  readonly #steps: Step[] = [];
  readonly #log: Logger;
  #running: Promise<readonly string[]> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  defer(name: string, close: () => Promise<void>): void {
    this.#steps.push({ name, close });
  }

  /** Registers something that owns itself and returns it. */
  use<T extends { close(): Promise<void> }>(name: string, resource: T): T {
    this.defer(name, () => resource.close());
    return resource;
  }

  /**
   * Runs every step, the newest first, those included that come in meanwhile. A step that throws is logged and does not stop the others; a step that is not
   * done at the deadline is left behind and named.
   * @returns names of the steps that failed or did not finish.
   */
  run(deadlineMs: number): Promise<readonly string[]> {
    return (this.#running ??= this.#runSteps(performance.now() + deadlineMs));
  }

  async #runSteps(deadline: number): Promise<readonly string[]> {
    const unfinished: string[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      const { name, close } = step;
      const timeLeftMs = Math.max(0, deadline - performance.now());
      const timeout = Promise.withResolvers<"late">();
      const timer = setTimeout(() => timeout.resolve("late"), timeLeftMs);
      try {
        if ((await Promise.race([close(), timeout.promise])) === "late") {
          unfinished.push(name);
          this.#log.error({ step: name }, "clean-up step did not finish in time");
        }
      } catch (error) {
        unfinished.push(name);
        this.#log.error({ step: name, err: error }, "clean-up step failed");
      } finally {
        clearTimeout(timer);
      }
    }
    return unfinished;
  }
}
