/** What people read in a chat and in their mail, sent to a real HTTP server and a real SMTP server. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { expect, onTestFinished, test, vi } from "vitest";
import { createGuardedHttp } from "../outbound/guarded-http.ts";
import { createOutboundGuard } from "../outbound/outbound-guard.ts";
import { startDeliveries } from "./deliveries.ts";
import { createEmail, type EmailOptions, mailPace } from "./email.ts";
import { createSlack } from "./slack.ts";
import { systemClock } from "./clock.ts";
import { fakeClock } from "./testing/fake-clock.ts";
import { startHttpReceiver } from "./testing/http-receiver.ts";
import { alert, ended, log, memoryStore, T, tell, uuid } from "./testing/outbox.ts";
import { CERTIFICATE, KEY } from "../outbound/testing/certificate.ts";

const { signal } = new AbortController();
const event = { seq: 1, id: uuid(1, 7), kind: "new", at: T, alert: alert(1, { stream: "<!channel> & *co*" }) } as const;
const guard = createOutboundGuard({ allow: ["127.0.0.1"], lookup: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]) });

test("a Slack message says what, where and since when, and what it does not prove; a stream's name is text in it", async () => {
  await using server = await startHttpReceiver();
  const slack = createSlack({ url: server.url, http: createGuardedHttp(guard, { answerTimeoutMs: 5_000, idleTimeoutMs: 5_000 }), clock: systemClock, publicUrl: "https://truecast.example" });
  expect(await slack.send([event], signal)).toEqual({ kind: "delivered" });
  expect(slack.address).not.toContain("hidden");
  const { text, blocks } = JSON.parse(server.taken[0]?.body ?? "") as { text: string; blocks: { type: string; fields?: { type: string; text: string }[] }[] };
  expect(text).toBe("New alert: A face on &lt;!channel&gt; &amp; *co* looks manipulated");
  expect(blocks.map(({ type }) => type)).toEqual(["header", "section", "context", "section"]);
  expect(blocks[1]?.fields?.map(({ type, text: field }) => [type, field])).toEqual([
    ["plain_text", "Stream\n&lt;!channel&gt; &amp; *co*"],
    ["plain_text", "Face\n#1"],
    ["plain_text", "Score\n0.91, highest 0.95"],
    ["plain_text", "Threshold\n0.80"],
    ["plain_text", "Since\n2023-11-14T22:13:20Z"],
    ["plain_text", "Model\nedge abababababab"],
  ]);
  expect(JSON.stringify(blocks[2])).toContain("proves nothing");
  expect(blocks[3]).toMatchObject({ text: { text: "<https://truecast.example/#/streams/%3C!channel%3E%20%26%20*co*|Open the stream>" } });
  expect(server.taken[0]?.body).not.toContain("<!channel>");
});

interface Mail {
  readonly user: string | undefined;
  readonly secure: boolean;
  readonly to: readonly string[];
  readonly raw: string;
}

async function startSmtp(options: SMTPServerOptions = {}): Promise<{ readonly port: number; readonly mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    ...options,
    onAuth: ({ username, password }, _session, done) => (username === "truecast" && password === "right" ? done(null, { user: username }) : done(new Error("no"))),
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        mails.push({ user: session.user, secure: session.secure, to: session.envelope.rcptTo.map(({ address }) => address), raw: Buffer.concat(chunks).toString() });
        done();
      });
    },
  });
  // A client that refuses the certificate is an error to the server.
  server.on("error", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { port: (server.server.address() as AddressInfo).port, mails };
}
const email = (port: number, changes: Partial<EmailOptions> = {}) =>
  createEmail({ host: "camera.example", port, security: "none", login: null, from: "truecast@desk.example", to: ["duty@desk.example", "chief@desk.example"], maxPerMinute: 6, guard, timeoutMs: 5_000, clock: systemClock, publicUrl: "https://truecast.example", ...changes });

test.each(["tls", "starttls"] as const)("e-mail over %s logs in, checks the certificate, and says what it is about", async (security) => {
  const { port, mails } = await startSmtp({ cert: CERTIFICATE, key: KEY, secure: security === "tls", authOptional: false });
  const login = { user: "truecast", pass: "right" };
  expect(await email(port, { security, login, ca: CERTIFICATE }).send([event], signal)).toEqual({ kind: "delivered" });
  expect(mails).toMatchObject([{ user: "truecast", secure: true, to: ["duty@desk.example", "chief@desk.example"] }]);
  expect(mails[0]?.raw).toMatch(/^Message-ID: <00000000-0000-4000-8007-000000000001@truecast>\r$/m);
  expect(mails[0]?.raw).toMatch(/^Subject: \[Truecast\] New alert: A face on <!channel> & \*co\* looks(\r\n)? manipulated\r$/m);
  expect(mails[0]?.raw).toMatch(/Score: 0\.91, highest 0\.95[^]*Since: 2023-11-14T22:13:20Z[^]*proves[^]*nothing/);

  const wrong = await email(port, { security, login: { user: "truecast", pass: "hunter2" }, ca: CERTIFICATE }).send([event], signal);
  expect(wrong).toMatchObject({ kind: "failed", code: "delivery-failed", message: `camera.example:${port} did not take the mail (EAUTH 535)` });
  expect(await email(port, { security, login }).send([event], signal)).toMatchObject({ kind: "failed", code: "delivery-failed" });
  expect(mails).toHaveLength(1);
});

test("starttls never falls back to plain text, and an inner address is not connected to", async () => {
  const { port, mails } = await startSmtp({ disabledCommands: ["STARTTLS"] });
  expect(await email(port, { security: "starttls" }).send([event], signal)).toMatchObject({ kind: "failed", code: "delivery-failed" });
  expect(await email(port, { guard: createOutboundGuard({ allow: [] }), host: "127.0.0.1" }).send([event], signal)).toMatchObject({ kind: "failed", code: "address-refused" });
  expect(mails).toEqual([]);
});

test("of three e-mails in a minute the last carries all that waits, and the next leaves when the first is a minute old", () => {
  const pace = (...sentAt: number[]) => mailPace(sentAt, { maxPerMinute: 3, nowMs: T });
  expect(pace()).toEqual({ events: 1 });
  expect(pace(T - 1)).toEqual({ events: 1 });
  expect(pace(T - 2, T - 1)).toEqual({ events: 100 });
  expect(pace(T - 50_000, T - 2, T - 1)).toEqual({ waitMs: 10_000 });
  expect(pace(T - 60_000, T - 2, T - 1)).toEqual({ events: 100 });
});

test("a flood of events is a few e-mails and digests, with every event in one of them", { timeout: 60_000 }, async () => {
  const { port, mails } = await startSmtp({ disabledCommands: ["STARTTLS"] });
  await using store = memoryStore();
  const clock = fakeClock(T);
  const sender = email(port, { clock, maxPerMinute: 3 });
  await using deliveries = startDeliveries({ receivers: [{ name: "mail", type: "email", filter: { streams: null, rules: null, kinds: null }, configDigest: "a", sender }], store, giveUpAfterMs: 1e9, onAttempt: () => undefined, log, clock });
  for (let number = 0; number < 60; number++) {
    tell(store, alert(number, { stream: `stream-${number}` }), "new");
    tell(store, ended(number, { stream: `stream-${number}` }), "end");
  }
  deliveries.wake();
  await vi.waitFor(() => expect(mails).toHaveLength(3), { timeout: 20_000, interval: 10 });
  clock.advance(60_000);
  await vi.waitFor(() => expect(deliveries.statuses()).toMatchObject([{ state: "ready", backlog: 0 }]), { timeout: 20_000, interval: 10 });
  expect(mails).toHaveLength(6);
  const text = mails.map(({ raw }) => raw.replaceAll("=\r\n", "")).join("\n");
  for (let number = 0; number < 60; number++) {
    const [began, over] = ["New alert", "Alert over"].map((title) => text.search(new RegExp(`^${title}: A face on stream-${number} looks`, "m")));
    expect(began).toBeGreaterThan(-1);
    expect(over).toBeGreaterThan(began ?? 0);
  }
  expect(mails.some(({ raw }) => /^Subject: \[Truecast\] \d+ events of alerts\r$/m.test(raw))).toBe(true);
});
