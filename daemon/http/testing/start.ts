/** Starts a server on any free port for a test, collecting what it reports. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { type HttpServer, type HttpServerOptions, startHttpServer } from "../server.ts";
import type { HttpEvent } from "../source.ts";
import { fakeSource } from "./fake-source.ts";

export interface TestServer extends AsyncDisposable {
  readonly http: HttpServer;
  readonly events: HttpEvent[];
}

export async function startTestServer(options: Partial<HttpServerOptions> = {}, signal?: AbortSignal): Promise<TestServer> {
  const events: HttpEvent[] = [];
  const defaults: HttpServerOptions = {
    host: "127.0.0.1",
    port: 0,
    token: null,
    dashboardDir: join(tmpdir(), "truecast-no-dashboard"),
    log: pino({ enabled: false }),
    source: fakeSource(),
    onEvent: (event) => events.push(event),
  };
  const http = await startHttpServer({ ...defaults, ...options }, signal);
  return { http, events, [Symbol.asyncDispose]: () => http.close() };
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "truecast-http-"));
}
