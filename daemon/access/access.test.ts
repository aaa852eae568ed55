/** Access on a real store, with a clock of the test's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AccessTokenInput } from "../access-protocol.ts";
import { openStore, type Store } from "../store/store.ts";
import { type Access, type AccessOptions, type Authentication, startAccess } from "./access.ts";
import { createAttemptLimiter } from "./attempt-limiter.ts";
import type { Author } from "./audit.ts";
import { makeToken } from "./token.ts";
import { createTokens } from "./tokens.ts";

const HOUR_MS = 3_600_000;
const ADMIN: Author = { actor: "configured-token", name: "configured token", address: "192.0.2.9" };
const log = pino({ level: "silent" });
const CONFIGURED = "a-secret-that-people-chose";

let nowMs = 1_700_000_000_000;
let store: Store;
beforeEach(() => {
  nowMs = 1_700_000_000_000;
  store = openStore({ path: ":memory:", log });
});
afterEach(() => store.close());

function start(options: Partial<AccessOptions> = {}): Access {
  return startAccess({ store, configuredToken: null, loopback: "until-token", sessionIdleMs: 2 * HOUR_MS, sessionMaxMs: 24 * HOUR_MS, log, now: () => nowMs, ...options });
}
const make = (access: Access, input: Partial<AccessTokenInput> = {}) => access.tokens.create({ name: "wall", role: "viewer", ...input }, ADMIN);
const bearer = (access: Access, secret: string, address = "192.0.2.1"): Authentication => access.authenticate({ bearer: secret, session: null, address, isLocal: false });
const cookie = (access: Access, secret: string): Authentication => access.authenticate({ bearer: null, session: secret, address: "192.0.2.1", isLocal: false });
const local = (access: Access): Authentication["kind"] => access.authenticate({ bearer: null, session: null, address: "127.0.0.1", isLocal: true }).kind;
function begin(access: Access, secret: string) {
  const outcome = access.signIn(secret, "192.0.2.1");
  if (outcome.kind !== "begun") throw new Error(`not signed in: ${outcome.kind}`);
  return outcome.session;
}
const actions = () => store.auditPage({ limit: 100 }).entries.map(({ action }) => action);

describe("a token", () => {
  test("opens with its role and streams until it is revoked", async () => {
    await using access = start();
    const { token, secret } = make(access, { role: "reviewer", streams: ["studio-a"] });
    expect(bearer(access, secret)).toMatchObject({ kind: "granted", principal: { actor: `token:${token.id}`, name: "wall", role: "reviewer", streams: ["studio-a"] } });
    expect(access.tokens.revoke(token.id, ADMIN)).toBe(true);
    expect(access.tokens.revoke(token.id, ADMIN)).toBe(false);
    expect(bearer(access, secret)).toEqual({ kind: "wrong" });
    expect(access.tokens.list()).toMatchObject([{ id: token.id, state: "revoked", revokedAt: nowMs }]);
  });

  test("ends at its time", async () => {
    await using access = start();
    const { secret } = make(access, { expiresAt: nowMs + HOUR_MS });
    nowMs += HOUR_MS - 1;
    expect(bearer(access, secret).kind).toBe("granted");
    nowMs += 1;
    expect(bearer(access, secret)).toEqual({ kind: "wrong" });
    expect(access.tokens.list()[0]?.state).toBe("expired");
  });

  test("is noted as used to the hour, with one write an hour", async () => {
    await using access = start();
    const { secret } = make(access);
    nowMs += 100 * HOUR_MS + 1_234_567;
    const hour = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
    bearer(access, secret);
    expect(access.tokens.list()[0]?.lastUsedAt).toBe(hour);
    nowMs = hour + HOUR_MS - 1;
    bearer(access, secret);
    expect(access.tokens.list()[0]?.lastUsedAt).toBe(hour);
    nowMs += 1;
    bearer(access, secret);
    expect(access.tokens.list()[0]?.lastUsedAt).toBe(hour + HOUR_MS);
  });

  test.each<[Partial<AccessTokenInput>, string]>([
    [{ role: "admin", streams: ["studio-a"] }, "an admin is one of all streams"],
    [{ role: "publisher" }, "name those it may publish"],
    [{ expiresAt: 1 }, "must lie ahead"],
  ])("%j cannot be made", async (input, why) => {
    await using access = start();
    expect(() => make(access, input)).toThrow(expect.objectContaining({ code: "request-invalid", message: expect.stringContaining(why) as string }));
    expect([access.tokens.list(), actions()]).toEqual([[], []]);
  });

  test("past the cap the oldest ended one makes room, and without one there is none", () => {
    const tokens = createTokens({ store, now: () => nowMs, maxTokens: 2 });
    const [first] = [1, 2].map((number) => tokens.create({ name: `token ${number}`, role: "viewer" }, ADMIN));
    expect(() => tokens.create({ name: "third", role: "viewer" }, ADMIN)).toThrow(expect.objectContaining({ code: "capacity-reached" }));
    tokens.revoke(first?.token.id ?? "", ADMIN);
    tokens.create({ name: "third", role: "viewer" }, ADMIN);
    expect(tokens.list().map(({ name }) => name).toSorted()).toEqual(["third", "token 2"]);
  });

  test("no secret is in the file: neither of a token nor of a session", async () => {
    const folder = mkdtempSync(join(tmpdir(), "truecast-access-"));
    try {
      const path = join(folder, "truecast.db");
      const secrets: string[] = [];
      {
        await using onDisk = openStore({ path, log });
        await using access = start({ store: onDisk, configuredToken: CONFIGURED });
        const { secret } = make(access);
        secrets.push(secret, begin(access, secret).secret, begin(access, CONFIGURED).secret, CONFIGURED);
      }
      using database = new DatabaseSync(path, { readOnly: true });
      const dump = ["access_tokens", "access_sessions", "audit"].flatMap((table) => database.prepare(`SELECT * FROM ${table}`).all());
      expect(dump).toHaveLength(1 + 2 + 3);
      const text = JSON.stringify(dump.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value]))));
      for (const secret of secrets) expect(text).not.toContain(secret);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("without a token", () => {
  test("this machine is let in as an administrator until one is configured or was ever made", async () => {
    await using access = start();
    expect(access.authenticate({ bearer: null, session: null, address: "127.0.0.1", isLocal: true })).toMatchObject({ kind: "granted", principal: { actor: "loopback", role: "admin", streams: null } });
    expect(access.authenticate({ bearer: null, session: null, address: "127.0.0.1", isLocal: false })).toEqual({ kind: "missing" });
    const { token } = make(access);
    expect(local(access)).toBe("missing");
    access.tokens.revoke(token.id, ADMIN);
    expect(local(access)).toBe("missing");
    await using configured = start({ configuredToken: CONFIGURED });
    expect(local(configured)).toBe("missing");
  });

  test("a token that another process makes on the same store counts at once", async () => {
    await using access = start();
    expect(local(access)).toBe("granted");
    createTokens({ store, now: () => nowMs }).create({ name: "made elsewhere", role: "admin" }, { actor: "command-line", name: "root", address: null });
    expect(local(access)).toBe("missing");
  });

  test("the rule can be always or never", async () => {
    await using always = start({ loopback: "always", configuredToken: CONFIGURED });
    make(always);
    expect(local(always)).toBe("granted");
    expect(bearer(always, "wrong")).toEqual({ kind: "wrong" });
    await using never = start({ loopback: "never" });
    expect(local(never)).toBe("missing");
  });
});

describe("a session", () => {
  test("has the role and streams of its token, and ends with it at once", async () => {
    await using access = start();
    const { token, secret } = make(access, { streams: ["studio-a"] });
    const session = begin(access, secret);
    const outcome = cookie(access, session.secret);
    expect(outcome).toMatchObject({ kind: "granted", principal: { actor: `token:${token.id}`, role: "viewer", streams: ["studio-a"], credential: { kind: "session" } } });
    access.tokens.revoke(token.id, ADMIN);
    expect(cookie(access, session.secret)).toEqual({ kind: "wrong" });
    expect(access.isCurrent(session.principal)).toBe(false);
  });

  test("ends when it is idle, and whatever happens at its longest", async () => {
    await using access = start();
    const { secret } = make(access);
    const idle = begin(access, secret).secret;
    nowMs += 2 * HOUR_MS;
    expect(cookie(access, idle)).toEqual({ kind: "wrong" });
    const busy = begin(access, secret);
    for (let hour = 0; hour < 23; hour++) {
      nowMs += HOUR_MS;
      // As an open WebSocket does.
      expect([hour, access.isCurrent(busy.principal)]).toEqual([hour, true]);
    }
    nowMs += HOUR_MS;
    expect(cookie(access, busy.secret)).toEqual({ kind: "wrong" });
  });

  test("is never longer than its token", async () => {
    await using access = start();
    const { secret } = make(access, { expiresAt: nowMs + HOUR_MS });
    const session = begin(access, secret);
    expect([session.maxAgeSeconds, session.principal.expiresAt]).toEqual([3_600, nowMs + HOUR_MS]);
  });

  test("of the configured token is void when that one is replaced", async () => {
    await using before = start({ configuredToken: CONFIGURED });
    const session = begin(before, CONFIGURED);
    await using same = start({ configuredToken: CONFIGURED });
    expect(cookie(same, session.secret)).toMatchObject({ kind: "granted", principal: { actor: "configured-token", role: "admin" } });
    await using after = start({ configuredToken: `${CONFIGURED}-2` });
    expect(cookie(after, session.secret)).toEqual({ kind: "wrong" });
  });

  test("ends by signing out, and its csrf token is its own", async () => {
    await using access = start();
    const { secret } = make(access);
    const [one, two] = [begin(access, secret), begin(access, secret)];
    const csrf = [one, two].map(({ principal }) => (principal.credential.kind === "session" ? principal.credential.csrfToken : ""));
    expect(csrf[0]).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(csrf[0]).not.toBe(csrf[1]);
    access.signOut(one.principal, "192.0.2.1");
    expect([cookie(access, one.secret).kind, cookie(access, two.secret).kind]).toEqual(["wrong", "granted"]);
  });

  test("is not begun by a publisher, nor by garbage in the cookie", async () => {
    await using access = start();
    const { secret } = make(access, { role: "publisher", streams: ["studio-a"] });
    expect(access.signIn(secret, "192.0.2.1")).toEqual({ kind: "no-session", role: "publisher" });
    for (const value of ["", "x", "a".repeat(43), makeToken(), secret]) expect(cookie(access, value)).toEqual({ kind: "wrong" });
  });

  test("of the least recent use makes room when there are too many", () => {
    const add = (number: number, seenAt: number) =>
      store.addSession({ tokenId: null, actor: "x", name: "x", role: "viewer", streams: null, createdAt: 0, seenAt, expiresAt: 9_999 }, Buffer.from([number]), { all: 2, ofActor: 2 });
    add(1, 20);
    add(2, 10);
    add(3, 30);
    expect([1, 2, 3].map((number) => store.sessionByDigest(Buffer.from([number])) !== null)).toEqual([true, false, true]);
    expect(store.removeEndedSessions({ seenBeforeMs: 25, nowMs: 0 })).toBe(1);
  });

  test("begun again and again with one token ends those of that token alone, and is held off before it fills the record", async () => {
    await using access = start();
    const other = begin(access, make(access, { name: "someone" }).secret);
    const { token, secret } = make(access, { name: "loop" });
    const first = begin(access, secret);
    const loop = (times: number) => Array.from({ length: times }, () => access.signIn(secret, "192.0.2.1"));
    expect(new Set(loop(99).map(({ kind }) => kind))).toEqual(new Set(["begun"]));
    expect(access.signIn(secret, "192.0.2.1")).toEqual({ kind: "limited", retryAfterSeconds: 60 });
    nowMs += 2 * 60_000 - 1_000;
    expect(loop(3).map(({ kind }) => kind)).toEqual(["begun", "limited", "limited"]);
    expect(store.auditPage({ limit: 500, actor: `token:${token.id}` }).entries).toHaveLength(101);
    // Whatever it began, it is still let in with the token itself.
    expect(bearer(access, secret).kind).toBe("granted");
    for (let minute = 0; minute < 100; minute++) {
      nowMs += 60_000;
      cookie(access, other.secret);
      begin(access, secret);
    }
    expect([cookie(access, first.secret).kind, cookie(access, other.secret).kind]).toEqual(["wrong", "granted"]);
  });
});

describe("guessing", () => {
  test("is held off after a few wrong ones, the right one of people's choice with them; nobody else is", async () => {
    await using access = start({ configuredToken: CONFIGURED, limiter: createAttemptLimiter({ burst: 3, refillMs: 1_000, globalBurst: 100, globalRefillMs: 1, maxAddresses: 10 }) });
    const { secret } = make(access);
    expect([1, 2, 3].map((guess) => bearer(access, `guess-${guess}`).kind)).toEqual(["wrong", "wrong", "wrong"]);
    expect(bearer(access, "guess-4")).toEqual({ kind: "limited", retryAfterSeconds: 1 });
    expect(bearer(access, CONFIGURED).kind).toBe("limited");
    expect(access.signIn(CONFIGURED, "192.0.2.1").kind).toBe("limited");
    expect(bearer(access, CONFIGURED, "192.0.2.2").kind).toBe("granted");
    // Of 256 random bits there is no guessing: who holds it is let in from anywhere.
    expect(bearer(access, secret).kind).toBe("granted");
    nowMs += 1_000;
    expect(bearer(access, CONFIGURED).kind).toBe("granted");
    expect(actions().filter((action) => action === "sign-in.limited")).toHaveLength(1);
  });

  test("cannot fill the disk: so many records an hour, one an address", async () => {
    await using access = start({ configuredToken: CONFIGURED, limiter: createAttemptLimiter({ burst: 1, refillMs: 1, globalBurst: 1e9, globalRefillMs: 1, maxAddresses: 1_000 }) });
    for (let round = 0; round < 3; round++) {
      nowMs += 10;
      for (let index = 0; index < 200; index++) bearer(access, "wrong", `198.51.100.${index}`);
    }
    expect(actions()).toHaveLength(60);
    nowMs += HOUR_MS;
    bearer(access, "wrong", "198.51.100.1");
    expect(actions()).toHaveLength(61);
  });

  test("a cookie that has ended is no guess: the page goes on asking with it", async () => {
    await using access = start({ configuredToken: CONFIGURED });
    for (let index = 0; index < 100; index++) expect(cookie(access, "b".repeat(43)).kind).toBe("wrong");
    expect(bearer(access, CONFIGURED).kind).toBe("granted");
  });
});

describe("the audit record", () => {
  test("says who made, revoked, signed in and out, from where and when, and nothing secret", async () => {
    await using access = start();
    const { token, secret } = make(access, { name: "<b>wall</b>" });
    nowMs += 1;
    const session = begin(access, secret);
    nowMs += 1;
    access.signOut(session.principal, "192.0.2.1");
    nowMs += 1;
    access.tokens.revoke(token.id, ADMIN);
    const who = { actor: `token:${token.id}`, actorName: "<b>wall</b>", address: "192.0.2.1", object: `token:${token.id}` };
    const { entries } = store.auditPage({ limit: 100 });
    expect(entries).toMatchObject([
      { seq: 4, at: nowMs, action: "token.revoked", actor: "configured-token", address: "192.0.2.9", object: `token:${token.id}`, detail: { name: "<b>wall</b>" } },
      { seq: 3, action: "session.ended", ...who },
      { seq: 2, action: "session.begun", ...who, detail: { role: "viewer" } },
      { seq: 1, action: "token.created", object: `token:${token.id}`, detail: { role: "viewer", streams: null, expiresAt: null } },
    ]);
    expect(JSON.stringify(entries)).not.toContain(secret);
    expect(store.auditPage({ limit: 2 })).toMatchObject({ entries: [{ seq: 4 }, { seq: 3 }], nextBefore: 3 });
    expect(store.auditPage({ limit: 2, before: 3 })).toMatchObject({ entries: [{ seq: 2 }, { seq: 1 }], nextBefore: null });
    expect(store.auditPage({ limit: 9, action: "session.ended" }).entries).toHaveLength(1);
    expect(store.auditPage({ limit: 9, actor: "configured-token", since: nowMs }).entries).toHaveLength(1);
  });

  test("is written with what it is about, or neither is", async () => {
    await using access = start();
    expect(() =>
      store.atomically(() => {
        make(access);
        access.audit.append(ADMIN, { action: "alert.confirmed", object: "alert:1", detail: { note: "x" } });
        throw new Error("the rest failed");
      }),
    ).toThrow("the rest failed");
    expect([access.tokens.list(), actions()]).toEqual([[], []]);
  });

  test.each([
    "UPDATE audit SET actor = 'nobody'",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE seq = 1",
    "INSERT OR REPLACE INTO audit (seq, at, actor, actor_name, address, action, object, detail) VALUES (1, 0, '', '', '', '', '', '{}')",
    "REPLACE INTO audit SELECT seq, at, 'nobody', actor_name, address, action, object, detail FROM audit",
    "INSERT INTO audit SELECT seq, at, 'nobody', actor_name, address, action, object, detail FROM audit WHERE true ON CONFLICT (seq) DO UPDATE SET actor = 'nobody'",
  ])("the file refuses %s", async (sql) => {
    const folder = mkdtempSync(join(tmpdir(), "truecast-access-"));
    try {
      const path = join(folder, "truecast.db");
      {
        await using onDisk = openStore({ path, log });
        onDisk.appendAudit({ at: 1, actor: "loopback", actorName: "this machine", address: "127.0.0.1", action: "alert.confirmed", object: "alert:1", detail: {} });
      }
      using database = new DatabaseSync(path);
      expect(() => database.exec(sql)).toThrow(/append-only/);
      expect(database.prepare("SELECT seq, actor FROM audit").all()).toEqual([{ seq: 1, actor: "loopback" }]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
