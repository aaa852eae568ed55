/** Chromium on the built dashboard: one browser for a file of tests, one page and daemon for each test, and a record of what went wrong. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { photograph, type ShotName } from "./scenario.ts";
import { type ScriptedDaemon, type Snapshot, startScriptedDaemon } from "./scripted-daemon.ts";

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly daemon: ScriptedDaemon;
  /** Console errors, uncaught exceptions and violations of the policy so far. */
  readonly faults: string[];
}

export interface VisitOptions {
  readonly snapshot: Snapshot;
  /** Which photograph each stream shows; a stream without one has no thumbnail. */
  readonly shots?: Readonly<Record<string, ShotName>>;
  readonly hash?: string;
  /** Runs before the page is opened. */
  readonly prepare?: (daemon: ScriptedDaemon) => void;
  readonly context?: BrowserContextOptions;
}

export interface DashboardBrowser extends AsyncDisposable {
  visit(options: VisitOptions): Promise<Visit>;
}

/** A name that is not this machine's to the browser, though it leads here. */
export const FAR_HOST = "truecast.example";
const ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${FAR_HOST} 127.0.0.1`];
const DESKTOP: BrowserContextOptions = { viewport: { width: 1366, height: 768 }, colorScheme: "dark" };

export function launchChromium(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: process.env["TRUECAST_CHROMIUM"] ?? "/usr/bin/chromium", args: [...ARGUMENTS, ...more] });
}

/** @returns the folder it was built into, which is the caller's */
export async function buildDashboard(): Promise<string> {
  const dashboardDir = await mkdtemp(join(tmpdir(), "truecast-dashboard-"));
  await build({ root: join(import.meta.dirname, ".."), configFile: join(import.meta.dirname, "../vite.config.ts"), build: { outDir: dashboardDir, emptyOutDir: true }, logLevel: "error" });
  return dashboardDir;
}

/** Console errors, uncaught exceptions and violations of the policy of a page that is not opened yet. */
export async function watchFaults(page: Page): Promise<string[]> {
  const faults: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  // oxlint-disable-next-line no-console -- runs in the page, where the console is what this test reads.
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  return faults;
}

export async function startDashboardBrowser(): Promise<DashboardBrowser> {
  const dashboardDir = await buildDashboard();
  const browser = await launchChromium();
  const photographs = new Map<ShotName, Buffer>();

  return {
    visit: async (options) => {
      const shots = options.shots ?? {};
      for (const name of new Set(Object.values(shots))) if (!photographs.has(name)) photographs.set(name, await photograph(name));
      const thumbnail = (stream: string): Buffer | undefined => {
        const shot = shots[stream];
        return shot === undefined ? undefined : photographs.get(shot);
      };
      const daemon = await startScriptedDaemon({ dashboardDir, snapshot: options.snapshot, thumbnail });
      options.prepare?.(daemon);
      const context = await browser.newContext({ ...DESKTOP, ...options.context });
      const page = await context.newPage();
      const faults = await watchFaults(page);
      await page.goto(`${daemon.url}/${options.hash ?? ""}`);
      return {
        page,
        daemon,
        faults,
        [Symbol.asyncDispose]: async () => {
          await context.close();
          await daemon.close();
        },
      };
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      await rm(dashboardDir, { recursive: true, force: true });
    },
  };
}
