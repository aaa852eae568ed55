/** A store with events in it, for tests of deliveries. */
import { pino } from "pino";
import type { AlertEventKind, FaceAlert } from "../../protocol.ts";
import { openStore, type Store } from "../../store/store.ts";

export const log = pino({ level: "silent" });
export const T = 1_700_000_000_000;

export function uuid(number: number, group = 0): string {
  return `00000000-0000-4000-${(0x8000 + group).toString(16)}-${String(number).padStart(12, "0")}`;
}

export function alert(number: number, changes: Partial<FaceAlert> = {}): FaceAlert {
  return {
    id: uuid(number), stream: "studio-a", track: 1, tracks: [1], rule: "manipulated-face", state: "firing", resolution: null, pendingAt: T, firingAt: T, resolvedAt: null,
    score: 0.91, peakScore: 0.95, threshold: 0.8, model: { name: "edge", sha256: "ab".repeat(32), scripted: false }, ...changes,
  };
}

export const ended = (number: number, changes: Partial<FaceAlert> = {}): FaceAlert => alert(number, { state: "resolved", resolution: "score-fell", resolvedAt: T + 9_000, ...changes });

export function memoryStore(): Store {
  return openStore({ path: ":memory:", log });
}

let told = 0;
/** Commits an event of this alert. */
export function tell(store: Pick<Store, "commit">, about: FaceAlert, kind: AlertEventKind, atMs = T): void {
  store.commit([{ kind: "x", alert: about, atMs, event: { id: uuid(++told, 1), kind } }]);
}

/** Commits `count` events of as many alerts at once. */
export function tellMany(store: Pick<Store, "commit">, count: number, atMs = T): void {
  store.commit(Array.from({ length: count }, (_, index) => ({ kind: "x", alert: alert(index + 1), atMs, event: { id: uuid(index + 1, 2), kind: "new" as const } })));
}
