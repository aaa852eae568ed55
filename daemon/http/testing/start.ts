/** Starts a server on any free port for a test, with real access control on a store in memory, collecting what it reports. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { type Access, type AccessOptions, startAccess } from "../../access/access.ts";
import { openStore, type Store } from "../../store/store.ts";
import { checkExposure } from "../access.ts";
import { type HttpServer, type HttpServerOptions, startHttpServer } from "../server.ts";
import type { HttpEvent } from "../source.ts";
import { fakeSource } from "./fake-source.ts";

export interface TestServer extends AsyncDisposable {
  readonly http: HttpServer;
  readonly events: HttpEvent[];
  readonly access: Access;
  readonly store: Store;
}

export interface TestServerOptions extends Partial<HttpServerOptions> {
  /** That of the configuration. */
  readonly token?: string | null;
  readonly access?: Partial<AccessOptions>;
}

const HOUR_MS = 3_600_000;

export async function startTestServer({ token = null, access: accessOptions = {}, ...options }: TestServerOptions = {}, signal?: AbortSignal): Promise<TestServer> {
  const events: HttpEvent[] = [];
  const log = options.log ?? pino({ enabled: false });
  checkExposure(options.host ?? "127.0.0.1", token);
  const store = openStore({ path: ":memory:", log });
  const access = startAccess({ store, configuredToken: token, loopback: "until-token", sessionIdleMs: 12 * HOUR_MS, sessionMaxMs: 168 * HOUR_MS, log, ...accessOptions });
  const closeParts = async (): Promise<void> => {
    await access.close();
    await store.close();
  };
  const defaults: HttpServerOptions = {
    host: "127.0.0.1",
    port: 0,
    authority: { ...access, auditPage: (query) => store.auditPage(query) },
    dashboardDir: join(tmpdir(), "truecast-no-dashboard"),
    log,
    source: fakeSource(),
    onEvent: (event) => events.push(event),
  };
  try {
    const http = await startHttpServer({ ...defaults, ...options }, signal);
    return {
      http,
      events,
      access,
      store,
      async [Symbol.asyncDispose]() {
        await http.close();
        await closeParts();
      },
    };
  } catch (error) {
    await closeParts();
    throw error;
  }
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "truecast-http-"));
}
