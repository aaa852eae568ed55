/** The built dashboard on the real HTTP server in real Chromium: signing in and out, and text from outside that would be script. */
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createServer, request as startRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Alert, Stream } from "../daemon/protocol.ts";
import { ALERT, fakeSource, MODEL, stream, SYSTEM } from "../daemon/http/testing/fake-source.ts";
import { startTestServer, type TestServer } from "../daemon/http/testing/start.ts";
import { buildDashboard, launchChromium, watchFaults } from "./testing/browser.ts";

const SCREENSHOTS = process.env["TRUECAST_SCREENSHOTS"] ?? join(tmpdir(), "truecast-dashboard-screenshots");
const AUTHOR = { actor: "test", name: "test", address: null };

let dashboardDir: string;
let browser: Browser;
beforeAll(async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  dashboardDir = await buildDashboard();
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  await rm(dashboardDir, { recursive: true, force: true });
});

interface Opened extends AsyncDisposable {
  readonly page: Page;
  readonly faults: string[];
}

async function open(server: TestServer, path = "/", options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, colorScheme: "dark", ...options });
  const page = await context.newPage();
  const faults = await watchFaults(page);
  await page.goto(server.http.url + path);
  return { page, faults, [Symbol.asyncDispose]: () => context.close() };
}

/** Waiting streams, so that no picture is asked for. */
const waiting = (name: string, changes: Partial<Stream> = {}): Stream => stream(name, { state: "waiting", tracks: [], thumbnailPtsMs: null, firingAlerts: 0, ...changes });
const serve = (streams: readonly Stream[], alerts: readonly Alert[] = []) =>
  fakeSource({
    streams: () => [...streams],
    stream: (name) => {
      const found = streams.find((candidate) => candidate.name === name);
      return found === undefined ? null : { stream: found, scores: [] };
    },
    snapshotAlerts: () => alerts,
  });

describe("signing in", () => {
  it("takes a token by keyboard alone, says who is there, and signs out", { timeout: 120_000 }, async () => {
    await using server = await startTestServer({ dashboardDir, source: serve([waiting("studio")]) });
    const { secret } = server.access.tokens.create({ name: "night shift", role: "reviewer" }, AUTHOR);
    await using opened = await open(server);
    const { page, faults } = opened;
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("token");
    const field = page.getByLabel("Access token");
    expect([await field.getAttribute("type"), await field.getAttribute("autocomplete")]).toEqual(["password", "current-password"]);
    expect(await page.locator('input[autocomplete="username"]').inputValue()).toBe("Truecast");
    await page.screenshot({ path: join(SCREENSHOTS, "sign-in-1366-dark.png") });

    await page.keyboard.type("tc_wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("This token is not valid: it may be mistyped, expired or revoked.").waitFor();
    expect(await field.getAttribute("aria-invalid")).toBe("true");
    await page.emulateMedia({ colorScheme: "light" });
    await page.screenshot({ path: join(SCREENSHOTS, "sign-in-1366-light.png") });

    await page.keyboard.type(secret);
    await page.keyboard.press("Enter");
    await page.locator('a.tile[data-stream="studio"]').waitFor();
    const badge = page.locator(".signed-in");
    await badge.getByText("night shift").waitFor();
    expect(await badge.textContent()).toBe("night shiftreviewerSign out");
    expect([await page.evaluate(() => document.cookie), page.url()]).toEqual(["", `${server.http.url}/`]);
    await page.screenshot({ path: join(SCREENSHOTS, "signed-in-1366-light.png") });

    await badge.getByRole("button", { name: "Sign out" }).press("Enter");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(server.store.auditPage({ limit: 10 }).entries.map(({ action }) => action)).toEqual(["session.ended", "session.begun", "token.created"]);
    // The browser reports the refusals that sign-in is about; nothing else went wrong.
    expect(faults.filter((fault) => !/401|WebSocket connection to/.test(fault))).toEqual([]);
  });

  it("fits a phone, and says how long to wait after too many wrong tokens", { timeout: 120_000 }, async () => {
    await using server = await startTestServer({ dashboardDir, token: "a-secret-that-people-chose" });
    await using opened = await open(server, "/", { viewport: { width: 390, height: 844 } });
    const { page } = opened;
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
    for (let guess = 0; guess < 10; guess++) {
      await page.getByLabel("Access token").fill(`guess ${guess}`);
      const answered = page.waitForResponse((response) => response.request().method() === "POST");
      await page.getByRole("button", { name: "Sign in" }).click();
      await answered;
    }
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText(/Too many wrong tokens came from your address, .*\. Try again in [1-6] s\./).waitFor();
  });

  it("says what is wrong behind a proxy that changes Host, whatever the token", { timeout: 120_000 }, async () => {
    await using server = await startTestServer({ dashboardDir, token: "a-secret-that-people-chose" });
    const proxy = createServer((request, response) => {
      const passed = startRequest({ host: "127.0.0.1", port: server.http.port, method: request.method ?? "GET", path: request.url ?? "/", headers: { ...request.headers, host: `127.0.0.1:${server.http.port}`, "x-forwarded-for": "127.0.0.1" } }, (answer) => {
        answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers));
      });
      passed.on("error", () => response.destroy());
      request.pipe(passed);
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`);
      await page.getByLabel("Access token").fill("a-secret-that-people-chose");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").getByText(/^The daemon does not take this page for its own\. A proxy before it must pass on Host/).waitFor();
    } finally {
      await context.close();
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  it("is asked for again when the token is revoked while the page is open", { timeout: 120_000 }, async () => {
    await using server = await startTestServer({ dashboardDir, source: serve([waiting("studio")]) });
    const { token, secret } = server.access.tokens.create({ name: "wall", role: "viewer" }, AUTHOR);
    await using opened = await open(server, `/?token=${secret}`);
    await opened.page.locator('a.tile[data-stream="studio"]').waitFor();
    expect(opened.page.url()).not.toContain(secret);
    server.access.tokens.revoke(token.id, AUTHOR);
    await opened.page.getByRole("heading", { name: "Sign in" }).waitFor({ timeout: 10_000 });
    expect(server.http.liveStats().clients).toBe(0);
  });
});

/** Each would set `window.owned` if any part of the page took it for markup, script, a link, a style or a template. */
const PAYLOADS = [
  "<script>window.owned=1</script>",
  "<img src=x onerror=window.owned=1>",
  "<svg/onload=window.owned=1>",
  "\"><img src=x onerror=window.owned=1>",
  "' onmouseover='window.owned=1' autofocus onfocus='window.owned=1",
  "javascript:window.owned=1",
  "</title><script>window.owned=1</script>",
  "</textarea><iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
  "{{constructor.constructor('window.owned=1')()}}",
  "${window.owned=1}",
  "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=window.owned=1>'>",
  "<a href=\"javascript:window.owned=1\" id=\"root\">click</a>",
  "&lt;img src=x onerror=window.owned=1&gt;",
  "<style>*{background:url(//evil.example/x)}</style>",
  "<base href=//evil.example/><form action=//evil.example/ id=token>",
  "\u2028window.owned=1\u202e<b>x</b>\u0000%3Cscript%3E",
];

/** A stream whose every text comes from somebody hostile. */
function hostile(text: string): Stream {
  return waiting(text, {
    state: "failed",
    stateReason: { code: text, message: text },
    publisher: { protocol: "rtmp", videoCodec: text, widthPx: 1280, heightPx: 720, connectedAt: 1, bitrateKbps: 1 },
    source: { kind: "rtsp", address: text, loop: false, origin: "api", state: "backing-off", reason: { code: text, message: text }, attempts: 1, nextTryAt: null },
    verdict: { kind: "unscored", reason: text, score: null },
  });
}

describe("text from outside", () => {
  it("is text everywhere: on the wall, a stream's page, the alerts, the header and in answers opened as a page", { timeout: 300_000 }, async () => {
    const streams = PAYLOADS.map(hostile);
    const alerts = PAYLOADS.map((text, index): Alert => ({ ...ALERT, id: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`, stream: text, model: { name: text, sha256: text, scripted: false } }));
    const [first = ""] = PAYLOADS;
    const source = serve(streams, alerts);
    await using server = await startTestServer({
      dashboardDir,
      source: {
        ...source,
        model: () => ({ ...MODEL, name: first, description: first, training: first, licence: first, provider: first }),
        system: () => ({ ...SYSTEM, version: first, rtmpUrl: first, components: { [first]: { state: "down", restarts: 1, message: first } } }),
      },
    });
    const { secret } = server.access.tokens.create({ name: first, role: "admin" }, AUTHOR);
    await using opened = await open(server, `/?token=${secret}`, { viewport: { width: 1600, height: 1000 } });
    const { page, faults } = opened;
    const dialogs: string[] = [];
    page.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    const elsewhere: string[] = [];
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== server.http.url && !request.url().startsWith("ws://127.0.0.1")) elsewhere.push(request.url());
    });
    /** Nothing of the payloads became an element or ran. */
    const unharmed = () =>
      page.evaluate(() => ({
        owned: Reflect.get(window, "owned") as unknown,
        elements: document.querySelectorAll("script:not([src^='/assets/']), img[src='x'], iframe, style, base, math, form, [onload], [onerror], [onfocus], [onmouseover], [href^='javascript' i]").length,
      }));
    const whole = { owned: undefined, elements: 0 };

    await page.locator(".tile").nth(PAYLOADS.length - 1).waitFor();
    await page.locator(".signed-in-name").getByText(first, { exact: true }).waitFor();
    const names = await page.locator(".tile").evaluateAll((tiles) => tiles.map((tile) => (tile as HTMLElement).dataset["stream"]));
    expect(new Set(names)).toEqual(new Set(PAYLOADS));
    expect(names).toHaveLength(PAYLOADS.length);
    for (const payload of PAYLOADS) {
      const tile = page.locator(".tile").nth(names.indexOf(payload));
      expect([payload, (await tile.textContent())?.includes(payload)]).toEqual([payload, true]);
    }
    expect(await unharmed()).toEqual(whole);
    await page.screenshot({ path: join(SCREENSHOTS, "hostile-text.png") });

    for (const payload of PAYLOADS) {
      await page.evaluate((hash) => {
        window.location.hash = hash;
      }, `#/streams/${encodeURIComponent(payload)}`);
      await expect.poll(() => page.locator("main h1").textContent()).toBe(payload);
      // In the heading, and in what the stream says of its state, codec or source.
      expect((await page.locator("main").textContent())?.split(payload).length).toBeGreaterThanOrEqual(3);
      expect([payload, await unharmed()]).toEqual([payload, whole]);
      // A title collapses white space and line separators.
      expect(await page.title()).toContain(payload.slice(0, 12).replace("\u2028", ""));
    }
    await page.evaluate(() => {
      window.location.hash = "#/alerts";
    });
    await page.locator(".alert").nth(PAYLOADS.length - 1).waitFor();
    const list = await page.locator("main").textContent();
    for (const payload of PAYLOADS) expect([payload, list?.includes(payload)]).toEqual([payload, true]);
    expect(await unharmed()).toEqual(whole);
    expect([faults, dialogs, elsewhere]).toEqual([[], [], []]);

    // The same text in an answer that is opened as a page: a refusal that repeats it.
    for (const payload of PAYLOADS) {
      const response = await page.goto(`${server.http.url}/api/v1/alerts/${encodeURIComponent(payload)}`);
      expect([payload, response?.headers()["content-type"]]).toEqual([payload, "application/problem+json; charset=utf-8"]);
      expect([payload, await page.evaluate(() => Reflect.get(window, "owned") as unknown)]).toEqual([payload, undefined]);
    }
    expect(dialogs).toEqual([]);
  });

  it("would be stopped by the policy, were it ever made into markup or script", { timeout: 120_000 }, async () => {
    await using server = await startTestServer({ dashboardDir, source: serve([waiting("studio")]) });
    await using opened = await open(server);
    const { page, faults } = opened;
    await page.locator(".tile").waitFor();
    const outcome = await page.evaluate(async () => {
      // The browser's own tools may evaluate what they like for as long as they are on the stack.
      await new Promise((resolve) => setTimeout(resolve));
      const attempt = (work: () => unknown): string => {
        try {
          work();
          return "let through";
        } catch (error) {
          return error instanceof Error ? error.name : "refused";
        }
      };
      const markup = attempt(() => {
        document.body.innerHTML += "<img src=x onerror=window.owned=1>";
      });
      const inline = attempt(() => {
        const script = document.createElement("script");
        script.append("window.owned=1");
        document.body.append(script);
      });
      const handler = attempt(() => {
        const button = document.createElement("button");
        button.setAttribute("onclick", "window.owned=1");
        document.body.append(button);
        button.click();
      });
      // oxlint-disable-next-line typescript/no-implied-eval -- that it is refused is what is tested.
      return { markup, evaluated: attempt(() => new Function("window.owned=1")()), inline, handler, owned: Reflect.get(window, "owned") as unknown };
    });
    expect(outcome).toMatchObject({ markup: "TypeError", evaluated: "EvalError", owned: undefined });
    // Each of the four, before it comes to what may be run.
    await expect.poll(() => faults.filter((fault) => fault.startsWith("policy: require-trusted-types-for")).length).toBeGreaterThanOrEqual(4);
  });

  it("cannot come in as a name: neither of a stream added over HTTP nor of a token with control characters", async () => {
    await using server = await startTestServer();
    for (const payload of PAYLOADS) {
      const answer = await fetch(`${server.http.url}/api/v1/streams/${encodeURIComponent(payload)}/source`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ url: "rtsp://camera.example/1" }) });
      expect([payload, answer.status, answer.headers.get("content-type")]).toEqual([payload, expect.toBeOneOf([400, 404, 414]), "application/problem+json; charset=utf-8"]);
    }
    const named = (name: string) => fetch(`${server.http.url}/api/v1/tokens`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name, role: "viewer" }) });
    expect((await named(PAYLOADS.at(-1) ?? "")).status).toBe(400);
  });
});
