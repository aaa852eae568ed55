/** Reads the configuration: file, then environment overrides, then the schema's defaults; every problem is named with key, value and rule. */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import Value from "typebox/value";
import { parseDocument } from "yaml";
import { type ResolvedReceiver, resolveReceivers } from "./receivers.ts";
import { type Config, ConfigSchema, STREAM_KEY_PATTERN, type StreamConfig } from "./schema.ts";

const ENVIRONMENT_PREFIX = "TRUECAST_";
/** Keys whose values never appear in a message. */
const SECRET_KEY = /\.(?:key|url|secret|password)$/;

/** A configuration that cannot be used; one line a problem. */
export class ConfigError extends Error {
  readonly code = "config-invalid";
  readonly problems: readonly string[];

  constructor(source: string, problems: readonly string[]) {
    super(`${source}: ${problems.join("; ")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** A stream with its key read from wherever it is kept. */
export interface ResolvedStream extends StreamConfig {
  readonly key: string;
}

/** A stream that is pulled; its URL may hold credentials. */
export interface ResolvedSource extends StreamConfig {
  readonly url: string;
}

/** Where RTMPS listens and with what; paths are absolute. */
export interface ResolvedRtmps {
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Those with a key. */
  readonly streams: readonly ResolvedStream[];
  /** Those with a URL. */
  readonly sources: readonly ResolvedSource[];
  /** Null without a certificate. */
  readonly rtmps: ResolvedRtmps | null;
  readonly receivers: readonly ResolvedReceiver[];
  /** First line of http.tokenFile, or null. */
  readonly token: string | null;
}

export interface LoadOptions {
  /** YAML file; absent means the schema's defaults alone. */
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** @throws ConfigError naming each wrong key, its value and the rule. */
export function loadConfig({ file, environment = {} }: LoadOptions): LoadedConfig {
  const source = file ?? "configuration";
  const raw = file === undefined ? {} : readYaml(file);
  const problems = applyEnvironment(raw, environment);
  const filled: unknown = Value.Default(ConfigSchema, raw);
  problems.push(...schemaProblems(filled));
  if (problems.length > 0) throw new ConfigError(source, problems);
  const config = filled as Config;

  const base = file === undefined ? process.cwd() : dirname(resolve(file));
  const { streams, sources } = resolveStreams(config, base, problems);
  const receivers = resolveReceivers(config.receivers, { problems, readLines: (path, key) => readLines(path, { base, key, problems }) });
  const token = config.http.tokenFile === null ? null : readSecret(config.http.tokenFile, { base, key: "http.tokenFile", problems });
  const rtmps = resolveRtmps(config.rtmps, base, problems);
  if (problems.length > 0) throw new ConfigError(source, problems);
  return { config, streams, sources, rtmps, receivers, token: token ?? null };
}

function resolveRtmps({ port, certFile, keyFile }: Config["rtmps"], base: string, problems: string[]): ResolvedRtmps | null {
  if (certFile !== null && keyFile !== null) return { port, certFile: resolve(base, certFile), keyFile: resolve(base, keyFile) };
  if (certFile !== null || keyFile !== null) problems.push(`\`rtmps.${certFile === null ? "certFile" : "keyFile"}\` is missing: a certificate and its key go together`);
  return null;
}

function readYaml(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(file, [`cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`]);
  }
  const document = parseDocument(text);
  if (document.errors.length > 0) throw new ConfigError(file, document.errors.map((error) => error.message.split("\n")[0] ?? "not YAML"));
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw new ConfigError(file, ["the file must hold a mapping of keys"]);
  return value as Record<string, unknown>;
}

/** TRUECAST_HTTP_PORT=8080 → http.port; values are read as YAML, so numbers, lists and null work. */
function applyEnvironment(target: Record<string, unknown>, environment: Readonly<Record<string, string | undefined>>): string[] {
  const problems: string[] = [];
  const keys = overridableKeys();
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined) continue;
    const path = keys.get(name);
    if (!path) {
      problems.push(`environment variable ${name} names no configuration key${suggestion(name, [...keys.keys()])}`);
      continue;
    }
    const document = parseDocument(text);
    if (document.errors.length > 0) {
      problems.push(`environment variable ${name} is not a YAML value`);
      continue;
    }
    let node = target;
    for (const part of path.slice(0, -1)) {
      const next = node[part];
      node = (typeof next === "object" && next !== null ? next : (node[part] = {})) as Record<string, unknown>;
    }
    node[path.at(-1) ?? ""] = document.toJS() as unknown;
  }
  return problems;
}

/** Environment name → path, for each key of the schema. */
export function overridableKeys(): Map<string, readonly string[]> {
  const keys = new Map<string, readonly string[]>();
  for (const [name, schema] of Object.entries(ConfigSchema.properties)) {
    const inner = "properties" in schema ? Object.keys(schema.properties) : [];
    if (inner.length === 0) keys.set(environmentName([name]), [name]);
    for (const key of inner) keys.set(environmentName([name, key]), [name, key]);
  }
  return keys;
}

function environmentName(path: readonly string[]): string {
  return ENVIRONMENT_PREFIX + path.map((part) => part.replaceAll(/[A-Z]/g, "_$&").toUpperCase()).join("_");
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

function schemaProblems(value: unknown): string[] {
  const problems = new Set<string>();
  const errors: SchemaError[] = Value.Errors(ConfigSchema, value);
  const unions = new Set(errors.filter(({ keyword }) => keyword === "anyOf").map(({ instancePath }) => instancePath));
  for (const { keyword, instancePath, params, message } of errors) {
    const key = keyOf(instancePath);
    if (keyword === "additionalProperties") {
      for (const extra of (params as { additionalProperties: string[] }).additionalProperties) {
        problems.add(`unknown key \`${joinKey(key, extra)}\`${suggestion(joinKey(key, extra), knownKeysAt(instancePath).map((name) => joinKey(key, name)))}`);
      }
    } else if (keyword === "required") {
      for (const name of (params as { requiredProperties: string[] }).requiredProperties) problems.add(`\`${joinKey(key, name)}\` is missing`);
    } else if (keyword === "boolean" || (keyword !== "anyOf" && unions.has(instancePath))) {
      continue; // the same finding in other words
    } else {
      problems.add(`\`${key}\` is ${shown(key, Value.Pointer.Get(value as object, instancePath))} but ${keyword === "anyOf" ? `must be ${alternatives(instancePath)}` : message}`);
    }
  }
  return [...problems];
}

function shown(key: string, value: unknown): string {
  return SECRET_KEY.test(key) ? "(hidden)" : (JSON.stringify(value) ?? "absent");
}

type SchemaNode = { properties?: Record<string, SchemaNode>; items?: SchemaNode; anyOf?: SchemaNode[]; const?: unknown; type?: string; minimum?: number; maximum?: number };

function schemaAt(instancePath: string): SchemaNode | undefined {
  let node: SchemaNode | undefined = ConfigSchema as unknown as SchemaNode;
  for (const part of instancePath.split("/").slice(1)) node = /^\d+$/.test(part) ? node?.items : node?.properties?.[part];
  return node;
}

function knownKeysAt(instancePath: string): string[] {
  return Object.keys(schemaAt(instancePath)?.properties ?? {});
}

function alternatives(instancePath: string): string {
  const options = schemaAt(instancePath)?.anyOf ?? [];
  return options.map((option) => ("const" in option ? JSON.stringify(option.const) : option.minimum === undefined ? (option.type ?? "another value") : `${option.type} from ${option.minimum} to ${option.maximum}`)).join(" or ");
}

function keyOf(instancePath: string): string {
  return instancePath
    .split("/")
    .slice(1)
    .reduce((key, part) => (/^\d+$/.test(part) ? `${key}[${part}]` : joinKey(key, part)), "");
}

function joinKey(key: string, part: string): string {
  return key === "" ? part : `${key}.${part}`;
}

function suggestion(wrong: string, known: readonly string[]): string {
  const best = known.map((name) => ({ name, distance: editDistance(wrong, name) })).sort((a, b) => a.distance - b.distance)[0];
  return best && best.distance <= Math.max(2, wrong.length / 4) ? ` (did you mean \`${best.name}\`?)` : "";
}

/** Levenshtein distance, case-insensitive. */
function editDistance(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

/** How a stream comes in; exactly one of them. */
const WAYS_IN = ["key", "keyFile", "url", "urlFile"] as const;

function resolveStreams(config: Config, base: string, problems: string[]): { readonly streams: ResolvedStream[]; readonly sources: ResolvedSource[] } {
  const streams: ResolvedStream[] = [];
  const sources: ResolvedSource[] = [];
  const names = new Set<string>();
  const keys = new Map<string, string>();
  for (const [index, stream] of config.streams.entries()) {
    const at = `streams[${index}]`;
    if (names.has(stream.name)) problems.push(`\`${at}.name\` is "${stream.name}" but names must be unique`);
    names.add(stream.name);
    if (WAYS_IN.filter((way) => stream[way] !== undefined).length !== 1) {
      problems.push(`\`${at}\` ("${stream.name}") must have exactly one of key, keyFile, url and urlFile`);
      continue;
    }
    if (stream.url !== undefined || stream.urlFile !== undefined) {
      const url = stream.url ?? readSecret(stream.urlFile ?? "", { base, key: `${at}.urlFile`, problems });
      if (url !== undefined) sources.push({ ...stream, url });
      continue;
    }
    if (stream.format !== undefined || stream.loop !== undefined) problems.push(`\`${at}\` ("${stream.name}") has format or loop but these are for streams with a url`);
    const key = stream.key ?? readSecret(stream.keyFile ?? "", { base, key: `${at}.keyFile`, problems });
    if (key === undefined) continue;
    if (!new RegExp(STREAM_KEY_PATTERN).test(key)) problems.push(`\`${at}.keyFile\` holds a key that does not match 8 to 128 letters, digits, _ or -`);
    const other = keys.get(key);
    if (other !== undefined) problems.push(`\`${at}\` ("${stream.name}") has the same key as "${other}" but keys must be unique`);
    keys.set(key, stream.name);
    streams.push({ ...stream, key });
  }
  return { streams, sources };
}

interface SecretContext {
  readonly base: string;
  readonly key: string;
  readonly problems: string[];
}

function readSecret(file: string, context: SecretContext): string | undefined {
  return readLines(file, context)?.[0];
}

/** The lines of a file that are not empty; its first must not be. */
function readLines(file: string, context: SecretContext): readonly string[] | undefined {
  const path = isAbsolute(file) ? file : resolve(context.base, file);
  try {
    const lines = readFileSync(path, "utf8").split("\n").map((line) => line.trim());
    if (lines[0]) return lines.filter((line) => line !== "");
    context.problems.push(`\`${context.key}\` is ${JSON.stringify(file)} but the file's first line is empty`);
  } catch (error) {
    context.problems.push(`\`${context.key}\` is ${JSON.stringify(file)} but the file cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`);
  }
  return undefined;
}
