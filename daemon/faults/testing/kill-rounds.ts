/** Kills a whole daemon under a load of alerts, at random moments of every phase of its life, and looks after each kill what is left. */
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../testing/seeded-random.ts";
import type { Alert } from "../../protocol.ts";
import { type KillLane, openKillLane, type RunningDaemon } from "./kill-lane.ts";
import { type AlertListener, examineStore, listenForAlerts, type StoreReport, ToldAlerts } from "./told-alerts.ts";

/** `start`: before it is through; `watch`: at any time after; `alert`: around the commit of one; `child`: a child first; `end`: after a SIGTERM. */
export const KILL_PHASES = ["start", "watch", "alert", "child", "end"] as const;
export type KillPhase = (typeof KILL_PHASES)[number];

export interface KillOptions {
  readonly count: number;
  readonly seed: number;
  readonly say?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface KillReport {
  readonly kills: Record<KillPhase, number>;
  /** Alerts that a client was told of as stored. */
  readonly told: number;
  /** Alerts that a kill left open, and that the next start resolved. */
  readonly leftOpen: number;
  /** From each kill until no child was left, milliseconds. */
  readonly childrenGoneMs: readonly number[];
  /** From each spawn until the API answered, milliseconds. */
  readonly startMs: readonly number[];
  /** One sentence each; empty when everything held. */
  readonly violations: readonly string[];
}

/** Children end by themselves when their daemon is gone: five seconds at the very most, and a little for a busy machine. */
const CHILDREN_GONE_MS = 10_000;
const START_TIMEOUT_MS = 120_000;
const WATCH_MS = 4_000;
/** A commit takes a fraction of a millisecond, and the word of it is sent right after. */
const AROUND_ALERT_MS = 8;
const ALERT_TIMEOUT_MS = 10_000;
const END_MS = 1_500;

export async function killRepeatedly({ count, seed, say = () => undefined, signal }: KillOptions): Promise<KillReport> {
  const random = seededRandom(seed);
  const kills: Record<KillPhase, number> = { start: 0, watch: 0, alert: 0, child: 0, end: 0 };
  const violations: string[] = [];
  const childrenGoneMs: number[] = [];
  const startMs: number[] = [];
  const told = new ToldAlerts();
  /** Open in the store when the last daemon was killed. */
  let open: readonly string[] = [];
  let leftOpen = 0;
  await using lane = await openKillLane();

  for (let round = 0; round < count && signal?.aborted !== true; round++) {
    const phase = phaseOf(round, random);
    const violated = (text: string): void => void violations.push(`round ${round}, ${phase}: ${text}`);
    const daemon = lane.start();
    const spawnedAtMs = performance.now();
    if (phase === "start") {
      // The first rounds do not know yet how long a start takes.
      await Promise.race([sleep(random() * (startMs.at(-1) ?? 2_000)), daemon.exited]);
    } else {
      const listener = await upAndListening(lane, daemon, told);
      if (listener === null) {
        violated(`the daemon did not start: ${daemon.errors()}`);
      } else {
        startMs.push(performance.now() - spawnedAtMs);
        leftOpen += open.length;
        for (const text of await unresolved(lane, open)) violated(text);
        await untilTheMoment(phase, { random, lane, daemon, listener });
      }
    }
    const killedAtMs = performance.now();
    daemon.process.kill("SIGKILL");
    await daemon.exited;
    kills[phase]++;

    const left = await untilNoneIsLeft(lane);
    childrenGoneMs.push(performance.now() - killedAtMs);
    for (const { pid, command } of left) {
      violated(`left behind: ${pid} ${command.slice(0, 120)}`);
      process.kill(pid, "SIGKILL");
    }
    for (const text of await lane.boundPorts()) violated(`still bound: ${text}`);
    const folders = await lane.temporaryFiles();
    if (folders.length > 1) violated(`folders of earlier runs: ${folders.join(", ")}`);
    const report = examineStore(lane.storePath);
    for (const text of report.damage) violated(`the store is damaged: ${text}`);
    for (const text of told.missingIn(report.rows)) violated(text);
    open = openIn(report);
    if ((round + 1) % 10 === 0) say(`${round + 1} of ${count} kills, ${told.size} alerts told, ${violations.length} violations`);
  }
  return { kills, told: told.size, leftOpen, childrenGoneMs, startMs, violations };
}

/** Each phase in turn at first, so that even a short run has them all; then as chance will have it. */
function phaseOf(round: number, random: () => number): KillPhase {
  const index = round < KILL_PHASES.length ? round : Math.floor(random() * KILL_PHASES.length);
  return KILL_PHASES[index] ?? "start";
}

async function untilTheMoment(phase: KillPhase, { random, lane, daemon, listener }: { random: () => number; lane: KillLane; daemon: RunningDaemon; listener: AlertListener }): Promise<void> {
  switch (phase) {
    case "alert":
      await listener.next(ALERT_TIMEOUT_MS);
      await sleep(random() * AROUND_ALERT_MS);
      return;
    case "child": {
      await listener.next(random() * ALERT_TIMEOUT_MS);
      const children = lane.processes().filter(({ pid }) => pid !== daemon.process.pid);
      const victim = children[Math.floor(random() * children.length)];
      if (victim !== undefined) killIfThere(victim.pid);
      await sleep(random() * END_MS);
      return;
    }
    case "end":
      await listener.next(random() * ALERT_TIMEOUT_MS);
      daemon.process.kill("SIGTERM");
      await Promise.race([sleep(random() * END_MS), daemon.exited]);
      return;
    case "start":
    case "watch":
      await sleep(random() * WATCH_MS);
  }
}

/** The listener closes by itself when the daemon is killed. @returns null when the daemon ended, or did not answer in time */
async function upAndListening(lane: KillLane, daemon: RunningDaemon, told: ToldAlerts): Promise<AlertListener | null> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (daemon.process.exitCode === null && daemon.process.signalCode === null && performance.now() < deadlineMs) {
    const listener = await listenForAlerts(lane.httpUrl.replace("http", "ws"), told);
    if (listener !== null) return listener;
    await sleep(25);
  }
  return null;
}

/** What the kill before left open must have been resolved by this start, as that. */
async function unresolved(lane: KillLane, open: readonly string[]): Promise<string[]> {
  const alerts = await Promise.all(open.map(async (id) => (await (await fetch(`${lane.httpUrl}/api/v1/alerts/${id}`)).json()) as Alert));
  return alerts.filter(({ state, resolution }) => state !== "resolved" || resolution !== "daemon-restarted").map(({ id, state, resolution }) => `${id} was left open and is ${state} (${resolution}) after the next start`);
}

async function untilNoneIsLeft(lane: KillLane): Promise<ReturnType<KillLane["processes"]>> {
  const deadlineMs = performance.now() + CHILDREN_GONE_MS;
  for (;;) {
    const left = lane.processes();
    if (left.length === 0 || performance.now() > deadlineMs) return left;
    await sleep(20);
  }
}

function openIn({ rows }: StoreReport): string[] {
  return [...rows].filter(([, { state }]) => state !== "resolved").map(([id]) => id);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
