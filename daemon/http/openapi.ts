/** Writes the OpenAPI document from the very schemas that the server uses. */
import { writeFile } from "node:fs/promises";
import { pino } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import { buildApp } from "./app.ts";
import type { Authority } from "./authority.ts";
import { trustedProxies } from "./client-address.ts";
import { DEFAULT_HTTP_LIMITS } from "./limits.ts";
import type { HttpSource } from "./source.ts";

/** The document as it is committed: JSON with a line feed at its end. */
export async function renderOpenApi(): Promise<string> {
  const app = await buildApp({
    gate: { rules: { boundHost: "127.0.0.1", allowedHosts: [], allowedOrigins: [] }, proxies: trustedProxies([]), authority: NOBODY },
    authority: NOBODY,
    dashboardDir: import.meta.dirname,
    limits: DEFAULT_HTTP_LIMITS,
    log: pino({ enabled: false }),
    source: UNASKED,
    run: "none",
    onEvent: () => undefined,
  });
  try {
    await app.ready();
    return `${JSON.stringify(app.swagger(), null, 2)}\n`;
  } finally {
    await app.close();
  }
}

export async function writeOpenApi(path: string): Promise<void> {
  await writeFile(path, await renderOpenApi());
}

/** Describing routes asks nothing of the daemon. */
const unasked = (): never => {
  throw new TruecastError("internal", "the source was asked while only the routes were described");
};
const NOBODY: Authority = { authenticate: unasked, isCurrent: unasked, signIn: unasked, signOut: unasked, tokens: { list: unasked, create: unasked, revoke: unasked }, auditPage: unasked };
const UNASKED: HttpSource = {
  system: unasked,
  model: unasked,
  streams: unasked,
  stream: unasked,
  source: unasked,
  putSource: unasked,
  removeSource: unasked,
  thumbnail: unasked,
  publishAccess: unasked,
  alerts: unasked,
  alert: unasked,
  snapshotAlerts: unasked,
  evidence: unasked,
  evidenceFile: unasked,
  holdEvidence: unasked,
  removeEvidence: unasked,
  removeStreamEvidence: unasked,
  events: unasked,
  receivers: unasked,
  testReceiver: unasked,
  enableReceiver: unasked,
  newestEvent: unasked,
  metrics: unasked,
  readiness: unasked,
};
