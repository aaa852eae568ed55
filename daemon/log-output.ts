/** Where the daemon and its children log to: standard output, in a way that a reader who stands still cannot stop them. */
import type { Readable, Writable } from "node:stream";
import pino, { type DestinationStream, type Logger } from "pino";

const MAX_WAITING_BYTES = 1_048_576;

/** One for each stream of the process: whatever writes there shares its cap and its count. */
const outputs = new Map<Writable, DestinationStream>();

/** @param base on every line, `component` among it. */
export function createLogger(level: string, base: { readonly component: string; readonly pid?: number }): Logger {
  return pino({ level, base }, outputTo(process.stdout));
}

/**
 * Passes a child's output on. A child that inherited ours would make it blocking again, for both: the flag belongs to the
 * pipe, not to the process.
 */
export function passOn(childOutput: Readable | null, output: Writable): void {
  const destination = outputTo(output);
  childOutput?.setEncoding("utf8").on("data", (text: string) => destination.write(text));
}

function outputTo(output: Writable): DestinationStream {
  const known = outputs.get(output) ?? createLogOutput(output);
  outputs.set(output, known);
  return known;
}

/**
 * pino's own output writes synchronously: a pipe that nobody empties would hold the whole process in that write, its alerts
 * and its end on SIGTERM with it. Here lines wait in memory, up to a cap; those past it are left out, and how many is told
 * before the next line that goes out.
 */
export function createLogOutput(output: Writable, maxWaitingBytes = MAX_WAITING_BYTES): DestinationStream {
  let leftOut = 0;
  // Nobody reads any more (EPIPE), or the disk of a file is full: nothing is left to log that to.
  output.on("error", () => leftOut++);
  return {
    write(line) {
      if (output.writableLength > maxWaitingBytes) {
        leftOut++;
        return;
      }
      if (leftOut > 0) {
        output.write(`${JSON.stringify({ level: pino.levels.values["warn"], time: Date.now(), leftOut, msg: "lines of the log were left out: they were not taken in time" })}\n`);
        leftOut = 0;
      }
      output.write(line);
    },
  };
}
