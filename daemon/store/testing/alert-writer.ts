/** Test child: commits alerts without end and prints each id once its commit has returned, until it is killed. */
import { randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { pino } from "pino";
import type { FaceAlert } from "../../protocol.ts";
import { openStore } from "../store.ts";

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("give the path of the store");
const store = openStore({ path, log: pino({ level: "silent" }) });
for (let track = 1; ; track++) {
  const alert: FaceAlert = {
    id: randomUUID(),
    stream: "studio",
    track,
    tracks: [track],
    rule: "manipulated-face",
    state: "pending",
    resolution: null,
    pendingAt: Date.now(),
    firingAt: null,
    resolvedAt: null,
    score: 0.9,
    peakScore: 0.9,
    threshold: 0.8,
    model: { name: "edge", sha256: "00", scripted: false },
  };
  store.commit([{ kind: "pending", alert, atMs: alert.pendingAt }]);
  store.commit([{ kind: "firing", alert: { ...alert, state: "firing", firingAt: alert.pendingAt }, atMs: alert.pendingAt, event: { id: alert.id, kind: "new" } }]);
  writeSync(1, `${alert.id}\n`);
}
