/** Decides who makes a request: by bearer token, by the dashboard's session, or by being on this machine; begins and ends sessions. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { Role } from "../access-protocol.ts";
import type { Credential, Principal } from "../principal.ts";
import type { AccessStore, KeptSession, KeptToken } from "./access-store.ts";
import { type AttemptLimiter, addressGroup, createAttemptLimiter } from "./attempt-limiter.ts";
import { type Audit, createAudit } from "./audit.ts";
import { isTokenShaped, secretDigest } from "./token.ts";
import { createTokens, isActive, type Tokens } from "./tokens.ts";

export type LoopbackRule = "until-token" | "always" | "never";

export interface AccessOptions {
  readonly store: AccessStore;
  /** Of the configuration, or made at the first start; an admin's. */
  readonly configuredToken: string | null;
  /** When this machine may enter without a token, where the port is bound to it alone. */
  readonly loopback: LoopbackRule;
  readonly sessionIdleMs: number;
  readonly sessionMaxMs: number;
  readonly log: Logger;
  readonly limiter?: AttemptLimiter;
  readonly now?: () => number;
}

/** What a request brings along. */
export interface Presented {
  readonly bearer: string | null;
  /** Of the dashboard's cookie. */
  readonly session: string | null;
  /** Of the client; of the last proxy that is not trusted. */
  readonly address: string;
  /** It came straight from this machine to a port that only this machine reaches. */
  readonly isLocal: boolean;
}

export type Authentication =
  | { readonly kind: "granted"; readonly principal: Principal }
  | { readonly kind: "missing" }
  | { readonly kind: "wrong" }
  /** Too many wrong ones from there, and nothing was looked at; or too many sessions begun with one token. */
  | { readonly kind: "limited"; readonly retryAfterSeconds: number };

export interface BegunSession {
  readonly principal: Principal;
  /** For the cookie; kept nowhere. */
  readonly secret: string;
  readonly maxAgeSeconds: number;
}

export interface Access extends AsyncDisposable {
  /** @throws TruecastError store-failed */
  authenticate(presented: Presented): Authentication;
  /** Whether it would still be let in; a session counts as used. @throws TruecastError store-failed */
  isCurrent(principal: Principal): boolean;
  /** Begins a session with a token. @throws TruecastError store-failed */
  signIn(secret: string, address: string): { readonly kind: "begun"; readonly session: BegunSession } | Exclude<Authentication, { kind: "granted" }> | { readonly kind: "no-session"; readonly role: Role };
  signOut(principal: Principal, address: string): void;
  readonly tokens: Tokens;
  readonly audit: Audit;
  close(): Promise<void>;
}

/** In all, and of one token: whoever signs in again and again ends sessions of that token alone. */
const MAX_SESSIONS = { all: 10_000, ofActor: 200 };
/** Each begun session is a row of a record that nothing is removed from, in the file that alerts go into. */
const SIGN_IN_LIMITS = { burst: 100, refillMs: 60_000, globalBurst: 1_000, globalRefillMs: 6_000, maxAddresses: 2_000 };
const HOUR_MS = 3_600_000;
/** How exactly the use of a session is known. */
const SEEN_MS = 60_000;
const SESSION_PATTERN = /^[A-Za-z0-9_-]{43}$/;
/** Records of addresses that guess: as many as this in an hour, so that guessing cannot fill the disk. */
const LIMITED_RECORDS_AN_HOUR = 60;

export function startAccess(options: AccessOptions, signal?: AbortSignal): Access {
  const { store, configuredToken, log, now = Date.now, limiter = createAttemptLimiter() } = options;
  const tokens = createTokens({ store, now });
  const audit = createAudit({ store, now });
  const signIns = createAttemptLimiter(SIGN_IN_LIMITS);
  const configuredDigest = configuredToken === null ? null : secretDigest(configuredToken);
  let tokensWereMade = false;
  let limitedRecords = { hour: 0, addresses: new Set<string>() };

  const isOpen = (isLocal: boolean): boolean => {
    if (!isLocal || options.loopback === "never") return false;
    if (options.loopback === "always") return true;
    tokensWereMade ||= store.hasTokens();
    return configuredToken === null && !tokensWereMade;
  };

  /** Digests, so that lengths need not match and tell nothing. */
  const isConfigured = (secret: string): boolean => configuredDigest !== null && timingSafeEqual(secretDigest(secret), configuredDigest);

  /** A configured token is found by its own value, so a new one makes the sessions of the old one void. */
  const sessionDigests = (secret: string): readonly Buffer[] => [secretDigest(secret), ...(configuredToken === null ? [] : [configuredSessionDigest(secret, configuredToken)])];

  /** What can be put off or done without must not turn away a good token on a full disk. */
  const note = (what: string, work: () => void): void => {
    try {
      work();
    } catch (error) {
      log.warn({ err: error, code: errorCodeOf(error) }, what);
    }
  };

  /**
   * The digest of a random secret is looked up in an index: how long that takes says something about digests, which nobody
   * can choose. A secret that people chose is compared in constant time, and only while its address is not held off.
   */
  function identify(secret: string, address: string): Authentication {
    const configured = isConfigured(secret);
    const granted = (principal: Principal): Authentication => ({ kind: "granted", principal });
    if (isTokenShaped(secret)) {
      if (configured) return granted(CONFIGURED);
      const token = store.tokenByDigest(secretDigest(secret));
      if (token !== null && isActive(token, now())) return granted(principalOf(token));
    }
    const atMs = now();
    const waitMs = limiter.waitMs(address, atMs);
    if (waitMs !== null) return limited(waitMs);
    if (configured) return granted(CONFIGURED);
    if (limiter.spend(address, atMs)) recordLimited(address, atMs);
    return { kind: "wrong" };
  }

  function recordLimited(address: string, atMs: number): void {
    const hour = Math.floor(atMs / HOUR_MS);
    if (limitedRecords.hour !== hour) limitedRecords = { hour, addresses: new Set() };
    const group = addressGroup(address);
    if (limitedRecords.addresses.has(group) || limitedRecords.addresses.size >= LIMITED_RECORDS_AN_HOUR) return;
    limitedRecords.addresses.add(group);
    log.warn({ address }, "too many wrong tokens: further ones from there wait");
    note("an address that guesses could not be recorded", () => audit.append({ actor: "unknown", name: "unknown", address }, { action: "sign-in.limited", object: `address:${group}` }));
  }

  function principalOf(token: KeptToken): Principal {
    const atMs = now();
    if (token.lastUsedAt === null || atMs - token.lastUsedAt >= HOUR_MS) {
      note("the use of a token could not be noted", () => store.tokenUsed(token.id, Math.floor(atMs / HOUR_MS) * HOUR_MS));
    }
    return { actor: `token:${token.id}`, name: token.name, role: token.role, streams: token.streams, expiresAt: token.expiresAt, credential: { kind: "token", id: token.id } };
  }

  function sessionIsCurrent(session: KeptSession): boolean {
    const atMs = now();
    if (atMs >= session.expiresAt || atMs - session.seenAt >= options.sessionIdleMs) return false;
    if (session.tokenId === null) return true;
    const token = store.tokenById(session.tokenId);
    return token !== null && isActive(token, atMs);
  }

  function currentSession(digest: Buffer): KeptSession | null {
    const session = store.sessionByDigest(digest);
    if (session === null || !sessionIsCurrent(session)) return null;
    if (now() - session.seenAt >= SEEN_MS) note("the use of a session could not be noted", () => store.sessionSeen(digest, now()));
    return session;
  }

  function principalOfSession(secret: string): Principal | null {
    if (!SESSION_PATTERN.test(secret)) return null;
    for (const digest of sessionDigests(secret)) {
      const session = currentSession(digest);
      if (session !== null) return { ...pick(session), expiresAt: session.expiresAt, credential: sessionCredential(secret, digest) };
    }
    return null;
  }

  /** @param principal by a token */
  function begin({ actor, name, role, streams, credential, ...principal }: Principal, address: string): BegunSession {
    const atMs = now();
    const secret = randomBytes(32).toString("base64url");
    const isConfiguredToken = credential.kind === "configured-token" && configuredToken !== null;
    const digest = isConfiguredToken ? configuredSessionDigest(secret, configuredToken) : secretDigest(secret);
    const expiresAt = Math.min(atMs + options.sessionMaxMs, principal.expiresAt ?? Number.MAX_SAFE_INTEGER);
    const tokenId = credential.kind === "token" ? credential.id : null;
    store.atomically(() => {
      store.addSession({ tokenId, actor, name, role, streams, createdAt: atMs, seenAt: atMs, expiresAt }, digest, MAX_SESSIONS);
      audit.append({ actor, name, address }, { action: "session.begun", object: actor, detail: { role, streams, expiresAt } });
    });
    return { principal: { actor, name, role, streams, expiresAt, credential: sessionCredential(secret, digest) }, secret, maxAgeSeconds: Math.floor((expiresAt - atMs) / 1_000) };
  }

  const pruning = setInterval(() => {
    note("ended sessions could not be removed", () => store.removeEndedSessions({ seenBeforeMs: now() - options.sessionIdleMs, nowMs: now() }));
  }, 10 * 60_000).unref();

  const access: Access = {
    authenticate({ bearer, session, address, isLocal }) {
      if (bearer !== null) {
        // Nobody can hold a good one, and a stale one that some program still sends must not lock this machine out.
        if (isOpen(isLocal) && options.loopback === "until-token") return { kind: "granted", principal: LOOPBACK };
        return identify(bearer, address);
      }
      const principal = session === null ? null : principalOfSession(session);
      if (principal !== null) return { kind: "granted", principal };
      if (isOpen(isLocal)) return { kind: "granted", principal: LOOPBACK };
      // A cookie is 256 random bits that the browser sends by itself: an ended one is no guess.
      return { kind: session === null ? "missing" : "wrong" };
    },
    isCurrent({ credential }) {
      switch (credential.kind) {
        case "loopback":
          return isOpen(true);
        case "configured-token":
          return true;
        case "token": {
          const token = store.tokenById(credential.id);
          return token !== null && isActive(token, now());
        }
        case "session":
          return currentSession(credential.digest) !== null;
      }
    },
    signIn(secret, address) {
      const outcome = identify(secret, address);
      if (outcome.kind !== "granted") return outcome;
      const { principal } = outcome;
      // The dashboard shows verdicts, and a publisher is told none.
      if (principal.role === "publisher") return { kind: "no-session", role: principal.role };
      const atMs = now();
      const waitMs = signIns.waitMs(principal.actor, atMs);
      if (waitMs !== null) return limited(waitMs);
      const session = begin(principal, address);
      signIns.spend(principal.actor, atMs);
      return { kind: "begun", session };
    },
    signOut({ actor, name, credential }, address) {
      if (credential.kind !== "session") return;
      store.atomically(() => {
        if (store.removeSession(credential.digest)) audit.append({ actor, name, address }, { action: "session.ended", object: actor });
      });
    },
    tokens,
    audit,
    async close() {
      clearInterval(pruning);
    },
    [Symbol.asyncDispose]: () => access.close(),
  };
  signal?.addEventListener("abort", () => void access.close(), { once: true });
  return access;
}

const CONFIGURED: Principal = { actor: "configured-token", name: "configured token", role: "admin", streams: null, expiresAt: null, credential: { kind: "configured-token" } };
const LOOPBACK: Principal = { actor: "loopback", name: "this machine", role: "admin", streams: null, expiresAt: null, credential: { kind: "loopback" } };

function limited(waitMs: number): Extract<Authentication, { kind: "limited" }> {
  return { kind: "limited", retryAfterSeconds: Math.ceil(waitMs / 1_000) };
}

function pick({ actor, name, role, streams }: KeptSession): Pick<Principal, "actor" | "name" | "role" | "streams"> {
  return { actor, name, role, streams };
}

function configuredSessionDigest(secret: string, configuredToken: string): Buffer {
  return createHmac("sha256", configuredToken).update(secret).digest();
}

/** Derived from the session's secret, so it lives and ends with the session and nothing of it is kept. */
function sessionCredential(secret: string, digest: Buffer): Credential {
  return { kind: "session", digest, csrfToken: createHmac("sha256", secret).update("truecast csrf 1").digest("base64url") };
}
