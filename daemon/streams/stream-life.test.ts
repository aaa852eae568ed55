import { expect, test } from "vitest";
import { isOver, nextLife, type Reason, type StreamEvent, type StreamLife } from "./stream-life.ts";

const waiting: StreamLife = { kind: "waiting", reason: null };
const session = { sessionId: "s1", protocol: "rtmp", connectedAt: 1 } as const;
const closed: Reason = { code: "publisher-stalled", message: "closed" };
const clock = { nowMs: 1_000, graceMs: 15_000 };

function after(...events: StreamEvent[]): StreamLife {
  return events.reduce((life, event) => nextLife(life, event, clock), waiting);
}

test("a publisher is starting until its first frame, then live", () => {
  expect(after({ kind: "published", session }).kind).toBe("starting");
  expect(after({ kind: "published", session }, { kind: "frame" })).toEqual({ kind: "live", session });
});

test("a lost publisher is waited for until its grace time is over", () => {
  const lost = after({ kind: "published", session }, { kind: "frame" }, { kind: "publisher-lost", sessionId: "s1", reason: closed });
  expect(lost).toEqual({ kind: "reconnecting", reason: closed, untilMs: 16_000 });
  expect(isOver(lost)).toBe(false);
  expect(nextLife(lost, { kind: "tick" }, { ...clock, nowMs: 15_999 })).toBe(lost);
  const over = nextLife(lost, { kind: "tick" }, { ...clock, nowMs: 16_000 });
  expect(over).toEqual({ kind: "waiting", reason: closed });
  expect(isOver(over)).toBe(true);
});

test("a publisher that returns within its grace time takes its stream back", () => {
  const back = after({ kind: "published", session }, { kind: "publisher-lost", sessionId: "s1", reason: closed }, { kind: "published", session: { sessionId: "s2", protocol: "rtmp", connectedAt: 2 } });
  expect(back).toMatchObject({ kind: "starting", session: { sessionId: "s2" } });
});

test("the late farewell of an earlier session does not end the present one", () => {
  const life = after({ kind: "published", session: { sessionId: "s2", protocol: "rtmp", connectedAt: 2 } }, { kind: "publisher-lost", sessionId: "s1", reason: closed });
  expect(life.kind).toBe("starting");
});

test("a stalled publisher is shown as such and is live again with its next frame", () => {
  const stalled = after({ kind: "published", session }, { kind: "frame" }, { kind: "stalled", sessionId: "s1", reason: closed });
  expect(stalled).toEqual({ kind: "stalled", session, reason: closed });
  expect(nextLife(stalled, { kind: "frame" }, clock).kind).toBe("live");
});

test("a codec that cannot be decoded fails the stream and is not waited for", () => {
  const reason: Reason = { code: "codec-unsupported", message: "hevc" };
  const life = after({ kind: "published", session }, { kind: "publisher-lost", sessionId: "s1", reason });
  expect(life).toEqual({ kind: "failed", session: null, reason });
  expect(isOver(life)).toBe(true);
  expect(nextLife(life, { kind: "published", session }, clock).kind).toBe("starting");
});

test("the death of the ingest process puts every published stream into its grace time", () => {
  const reason: Reason = { code: "ingest-restarted", message: "signal" };
  expect(after({ kind: "published", session }, { kind: "ingest-lost", reason })).toEqual({ kind: "reconnecting", reason, untilMs: 16_000 });
  expect(after({ kind: "ingest-lost", reason })).toBe(waiting);
});

test("a decoder that fails is told from its first frame on, each time with its newest reason, and never over a publisher's silence", () => {
  const exited: Reason = { code: "decoder-exited", message: "signal SIGKILL" };
  const spinning: Reason = { code: "decoder-stalled", message: "no frame" };
  expect(after({ kind: "published", session }, { kind: "decoder-recovering", reason: spinning })).toEqual({ kind: "stalled", session, reason: spinning });
  const failed = after({ kind: "published", session }, { kind: "frame" }, { kind: "decoder-recovering", reason: exited });
  expect(nextLife(failed, { kind: "decoder-recovering", reason: spinning }, clock)).toEqual({ kind: "stalled", session, reason: spinning });
  const silent = after({ kind: "published", session }, { kind: "frame" }, { kind: "stalled", sessionId: "s1", reason: closed });
  expect(nextLife(silent, { kind: "decoder-recovering", reason: exited }, clock)).toBe(silent);
});
