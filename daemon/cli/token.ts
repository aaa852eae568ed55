/** `truecast token create|list|revoke`: access tokens in the store, whether a daemon runs on it or not. */
import { userInfo } from "node:os";
import { join } from "node:path";
import Value from "typebox/value";
import { pino } from "pino";
import { loadConfig } from "../../config/load.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import type { Author } from "../access/audit.ts";
import { createTokens, type Tokens } from "../access/tokens.ts";
import { AccessTokenInput, type AccessToken, ROLES } from "../access-protocol.ts";
import { openStore } from "../store/store.ts";

export interface CreateOptions {
  readonly config?: string;
  readonly role: string;
  readonly streams?: string;
  readonly expires?: string;
}

export interface ListOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** The daemon commits within milliseconds; this is far more. */
const BUSY_TIMEOUT_MS = 5_000;
const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The secret alone goes to standard output, so that it can be piped into a file that people cannot read. */
export async function createToken(name: string, { config, role, streams, expires }: CreateOptions): Promise<void> {
  const input = inputOf({ name, role, streams: streams?.split(","), expires });
  const { token, secret } = await withTokens(config, (tokens) => tokens.create(input, author()));
  process.stderr.write(`token ${token.id} made: ${describe(token)}\nIt is shown this once:\n`);
  process.stdout.write(`${secret}\n`);
}

export async function listTokens({ config, json }: ListOptions): Promise<void> {
  const list = await withTokens(config, (tokens) => tokens.list());
  if (json === true) return void process.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
  if (list.length === 0) process.stderr.write("no token was made yet\n");
  for (const token of list) process.stdout.write(`${token.id}  ${token.state.padEnd(7)}  ${describe(token)}\n`);
}

/** @param which id, or a name that only one active token has */
export async function revokeToken(which: string, { config }: { readonly config?: string }): Promise<void> {
  const revoked = await withTokens(config, (tokens) => {
    const token = find(tokens.list(), which);
    if (!tokens.revoke(token.id, author())) throw new TruecastError("conflict", `token ${token.id} ("${token.name}") is revoked already`);
    return token;
  });
  process.stderr.write(`token ${revoked.id} ("${revoked.name}") is revoked; a running daemon closes its connections within seconds\n`);
}

async function withTokens<T>(file: string | undefined, work: (tokens: Tokens) => T): Promise<T> {
  const { config } = loadConfig({ file, environment: process.env });
  await using store = openStore({ path: join(config.dataDir, "truecast.db"), log: pino({ enabled: false }), busyTimeoutMs: BUSY_TIMEOUT_MS });
  return work(createTokens({ store }));
}

function author(): Author {
  return { actor: "command-line", name: userInfo().username, address: null };
}

function inputOf({ name, role, streams, expires }: { readonly name: string; readonly role: string; readonly streams: string[] | undefined; readonly expires: string | undefined }): AccessTokenInput {
  const wrong = (option: string, value: string, rule: string): never => {
    throw new TruecastError("request-invalid", `${option} is ${JSON.stringify(value)} but ${rule}`);
  };
  const known = ROLES.find((candidate) => candidate === role) ?? wrong("--role", role, `must be one of ${ROLES.join(", ")}`);
  const input: AccessTokenInput = { name, role: known, streams: streams ?? null, expiresAt: expires === undefined ? null : Date.now() + durationMs(expires) };
  const { name: nameRule, streams: streamsRule } = AccessTokenInput.properties;
  if (!Value.Check(nameRule, name)) wrong("the name", name, "must have 1 to 64 characters and no control characters");
  if (!Value.Check(streamsRule, input.streams)) wrong("--streams", streams?.join(",") ?? "", "must be stream names with commas between them, each once");
  return input;
}

function durationMs(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (Number(count) === 0) throw new TruecastError("request-invalid", `--expires is ${JSON.stringify(text)} but must be a duration such as 90m, 12h or 30d`);
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

function find(list: readonly AccessToken[], which: string): AccessToken {
  const byId = list.find(({ id }) => id === which);
  if (byId !== undefined) return byId;
  const byName = list.filter(({ name, state }) => name === which && state === "active");
  const [only] = byName;
  if (only === undefined) throw new TruecastError("not-found", `no active token has the id or name ${JSON.stringify(which)}`);
  if (byName.length > 1) throw new TruecastError("conflict", `${byName.length} active tokens have the name ${JSON.stringify(which)}: revoke by id (${byName.map(({ id }) => id).join(", ")})`);
  return only;
}

function describe({ name, role, streams, expiresAt, lastUsedAt }: AccessToken): string {
  const time = (atMs: number): string => new Date(atMs).toISOString().slice(0, 16);
  return [JSON.stringify(name), role, streams === null ? "all streams" : `streams ${streams.join(", ")}`, expiresAt === null ? "does not expire" : `expires ${time(expiresAt)}Z`, lastUsedAt === null ? "never used" : `last used about ${time(lastUsedAt)}Z`].join(", ");
}
