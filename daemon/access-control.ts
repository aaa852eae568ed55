/** Access in the daemon: the part that decides who may enter, as the HTTP interface asks it, on the daemon's own store. */
import type { Logger } from "pino";
import type { ResolvedStream } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { type Access, startAccess } from "./access/access.ts";
import type { Authority, Author } from "./http/authority.ts";
import type { HttpSource } from "./http/source.ts";
import type { Store } from "./store/store.ts";

export interface AccessControlOptions {
  readonly config: Config;
  readonly store: Store;
  readonly configuredToken: string | null;
  readonly log: Logger;
}

export interface AccessControl extends AsyncDisposable {
  readonly authority: Authority;
  /** For what other parts do on somebody's behalf. */
  readonly audit: Access["audit"];
  publishAccess(where: PublishTargets): HttpSource["publishAccess"];
  close(): Promise<void>;
}

export interface PublishTargets {
  readonly streams: readonly ResolvedStream[];
  readonly rtmpUrl: string;
  readonly rtmpsUrl: string | null;
  readonly whipUrl: string | null;
}

const HOUR_MS = 3_600_000;
/** An encoder may ask again and again; its reading is recorded this often. */
const KEY_READ_RECORD_MS = HOUR_MS;

export function startAccessControl({ config, store, configuredToken, log }: AccessControlOptions): AccessControl {
  const { loopback, sessionIdleMinutes, sessionMaxHours } = config.access;
  const access = startAccess({ store, configuredToken, loopback, sessionIdleMs: sessionIdleMinutes * 60_000, sessionMaxMs: sessionMaxHours * HOUR_MS, log });
  return {
    authority: { ...access, auditPage: (query) => store.auditPage(query) },
    audit: access.audit,
    publishAccess({ streams, rtmpUrl, rtmpsUrl, whipUrl }) {
      const record = oncePer(KEY_READ_RECORD_MS);
      return (name, author) => {
        const stream = streams.find((candidate) => candidate.name === name);
        if (stream === undefined) return null;
        record(`${author.actor} ${name}`, () => recordKeyRead(access, author, name));
        return { stream: name, key: stream.key, rtmpUrl, rtmpsUrl, whipUrl: whipUrl && `${whipUrl}/${name}` };
      };
    },
    close: () => access.close(),
    [Symbol.asyncDispose]: () => access.close(),
  };
}

/** What cannot be recorded is not told. */
function recordKeyRead({ audit }: Access, author: Author, stream: string): void {
  audit.append(author, { action: "stream-key.read", object: `stream:${stream}` });
}

/** Does something for a key that it has not done it for in this time. Bounded by tokens times streams, and cut when it grows. */
function oncePer(periodMs: number): (key: string, work: () => void) => void {
  const doneAtMs = new Map<string, number>();
  return (key, work) => {
    const nowMs = performance.now();
    const before = doneAtMs.get(key);
    if (before !== undefined && nowMs - before < periodMs) return;
    work();
    doneAtMs.delete(key);
    doneAtMs.set(key, nowMs);
    if (doneAtMs.size > 10_000) doneAtMs.delete(doneAtMs.keys().next().value ?? key);
  };
}
