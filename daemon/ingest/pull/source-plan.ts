/** What a source's URL means: which way it is read, in which format, and what of it may be shown. Pure. */
import { TruecastError } from "../../../pipelines/errors.ts";

export const SOURCE_KINDS = ["rtsp", "srt", "hls", "dash", "http-flv", "http-ts", "rtmp", "udp-ts", "file"] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export const SOURCE_FORMATS = ["flv", "mpegts", "hls", "dash"] as const;
export type SourceFormat = (typeof SOURCE_FORMATS)[number];

export interface SourceSpec {
  /** Name of the stream. */
  readonly name: string;
  /** May hold credentials: never shown or logged. */
  readonly url: string;
  /** For http(s) URLs whose path does not tell. */
  readonly format?: SourceFormat | undefined;
  /** Begin again at the end of a file or recording. */
  readonly loop?: boolean | undefined;
}

export type SourcePlan =
  | { readonly kind: "hls" | "dash" | "http-flv" | "http-ts"; readonly url: URL }
  | { readonly kind: "rtmp" | "rtsp"; readonly url: URL; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: "srt"; readonly url: URL; readonly host: string; readonly port: number; readonly listens: boolean }
  | { readonly kind: "udp-ts"; readonly host: string; readonly port: number }
  | { readonly kind: "file"; readonly path: string };

const MAX_URL_CHARACTERS = 2_048;
const HTTP_FORMATS: Readonly<Record<SourceFormat, "hls" | "dash" | "http-flv" | "http-ts">> = { flv: "http-flv", mpegts: "http-ts", hls: "hls", dash: "dash" };
const EXTENSIONS: Readonly<Record<string, SourceFormat>> = { m3u8: "hls", m3u: "hls", mpd: "dash", flv: "flv", ts: "mpegts", m2ts: "mpegts", mts: "mpegts" };
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "rtmp:": 1935, "rtmps:": 443, "rtsp:": 554, "rtsps:": 322 };
const ACCEPTED = "rtsp, rtsps, rtmp, rtmps, srt, http, https, udp and file";

/** @throws TruecastError source-invalid; the message never quotes the URL */
export function planSource(spec: SourceSpec): SourcePlan {
  const fail = (message: string): TruecastError => new TruecastError("source-invalid", `Source "${spec.name}": ${message}`);
  if (spec.url.length > MAX_URL_CHARACTERS) throw fail(`the URL is longer than ${MAX_URL_CHARACTERS} characters.`);
  if (!URL.canParse(spec.url)) throw fail("what is given is no absolute URL.");
  const url = new URL(spec.url);
  const { protocol } = url;
  const isHttp = protocol === "http:" || protocol === "https:";
  if (spec.format !== undefined && !isHttp) throw fail("`format` is for http and https URLs alone.");
  if (protocol !== "file:" && url.hostname === "") throw fail("the URL names no host.");
  const required = (): number => {
    if (url.port === "" || url.port === "0") throw fail(`a ${protocol.slice(0, -1)} URL must name a port.`);
    return Number(url.port);
  };

  switch (protocol) {
    case "http:":
    case "https:": {
      const format = spec.format ?? EXTENSIONS[/\.([a-z0-9]+)$/i.exec(url.pathname)?.[1]?.toLowerCase() ?? ""];
      if (format === undefined) throw fail(`the path does not tell what is served there: set \`format\` to one of ${SOURCE_FORMATS.join(", ")}.`);
      url.hash = "";
      return { kind: HTTP_FORMATS[format], url };
    }
    case "rtmp:":
    case "rtmps:":
    case "rtsp:":
    case "rtsps:":
      // RTMP's ways to sign in reconnect and differ by server; most servers take a token in path or query.
      if (protocol.startsWith("rtmp") && url.username !== "") throw fail("user and password in an rtmp URL are not supported.");
      return { kind: protocol.startsWith("rtmp") ? "rtmp" : "rtsp", url, host: url.hostname, port: Number(url.port) || (DEFAULT_PORTS[protocol] ?? 0), tls: protocol === "rtmps:" || protocol === "rtsps:" };
    case "srt:": {
      const mode = url.searchParams.get("mode") ?? "caller";
      if (mode !== "caller" && mode !== "listener") throw fail("the mode of an srt URL must be caller or listener.");
      return { kind: "srt", url, host: url.hostname, port: required(), listens: mode === "listener" };
    }
    case "udp:":
      return { kind: "udp-ts", host: url.hostname, port: required() };
    case "file:":
      if (url.hostname !== "" && url.hostname !== "localhost") throw fail("a file URL must name no host: file:///path.");
      return { kind: "file", path: filePath(url, fail) };
    default:
      throw fail(`the scheme ${JSON.stringify(protocol.slice(0, -1).slice(0, 20))} is not among ${ACCEPTED}.`);
  }
}

function filePath(url: URL, fail: (message: string) => TruecastError): string {
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch {
    throw fail("the path of the file URL is not well escaped.");
  }
  if (path.includes("\0")) throw fail("the path of the file URL holds a zero byte.");
  return path;
}

/**
 * What people may see of a URL: scheme, host and port. Credentials travel as user and password, in queries, and on some
 * platforms in the path, so none of these is shown; a file's path is no secret.
 */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return "(not a URL)";
  const { protocol, host, pathname } = new URL(text);
  if (protocol === "file:") return `file://${pathname}`;
  return `${protocol}//${host}${pathname.length > 1 ? "/…" : ""}`;
}

/** Takes out of ffmpeg's words everything that could be or hold a URL or a secret of it. */
export function withoutSecrets(text: string, secretUrl: string): string {
  const url = URL.canParse(secretUrl) ? new URL(secretUrl) : null;
  const secrets = url === null ? [] : [url.username, url.password, ...url.searchParams.values(), ...(url.protocol === "file:" ? [] : url.pathname.split("/"))];
  let clean = text.replaceAll(/\b[a-z][a-z0-9+.-]*:(?:\/\/)?\S*\/\S*/gi, "(address)");
  for (const secret of secrets) if (secret.length > 2) clean = clean.replaceAll(secret, "(hidden)");
  return clean;
}
