import { Writable } from "node:stream";
import pino from "pino";
import { expect, test } from "vitest";
import { createLogOutput } from "./log-output.ts";

/** Takes a line only when it is told to, as a pipe whose reader stands still. */
function stuckOutput() {
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const output = new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      waiting.push(() => {
        lines.push(line);
        done();
      });
    },
  });
  return {
    output,
    lines,
    drain: (): void => {
      for (let take = waiting.shift(); take !== undefined; take = waiting.shift()) take();
    },
  };
}

test("past the cap lines are left out, and the next one that goes out says how many", () => {
  const { output, lines, drain } = stuckOutput();
  const log = pino({ base: null, timestamp: false }, createLogOutput(output, 100));
  for (let n = 0; n < 50; n++) log.info({ n });
  expect(output.writableLength).toBeLessThan(200);
  drain();
  const before = lines.length;
  expect(before).toBeGreaterThan(2);
  log.info({ n: 50 });
  drain();
  const [notice, last] = lines.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(notice).toMatchObject({ level: 40, leftOut: 50 - before });
  expect(last).toMatchObject({ n: 50 });
});

test("a reader that is gone ends nothing", async () => {
  const output = new Writable({ write: (_line, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })), autoDestroy: false });
  const log = pino({ base: null }, createLogOutput(output));
  log.info("one");
  await new Promise(setImmediate);
  expect(() => log.info("two")).not.toThrow();
});
