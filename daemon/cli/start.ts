/** `truecast start`: runs the daemon until it is told to end. */
import { loadConfig } from "../../config/load.ts";
import { startDaemon, type Daemon } from "../daemon.ts";
import { createLogger } from "../log-output.ts";

/** Everything ends within this, or is left behind and named in the log. */
const SHUTDOWN_DEADLINE_MS = 9_000;

export async function start({ config: file }: { readonly config?: string }): Promise<void> {
  const loaded = loadConfig({ file, environment: process.env });
  const log = createLogger(loaded.config.log.level, { component: "daemon" });
  const ending = endSignal();
  const abort = new AbortController();
  void ending.then((signal) => abort.abort(signal));
  let daemon: Daemon;
  try {
    daemon = await startDaemon(loaded, { log, signal: abort.signal });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    log.info({ signal: abort.signal.reason as unknown }, "ended before the start was through");
    process.exit(0);
  }
  announce(daemon);
  const signal = await ending;
  log.info({ signal }, "ending");
  const unfinished = await daemon.close(SHUTDOWN_DEADLINE_MS);
  // What did not end in time must not keep the process alive.
  process.exit(unfinished.length === 0 ? 0 : 1);
}

/** Resolves at the first SIGINT, SIGTERM or SIGHUP; a second one changes nothing, for the end has its own deadline. */
export function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve(signal));
  });
}

/** What a person needs to go on; on standard error, for standard output carries the log. */
function announce({ httpUrl, rtmpUrl, rtmpsUrl, whipUrl, generated, tokenInUse }: Daemon): void {
  // Nobody reads it: no reason to end.
  process.stderr.on("error", () => undefined);
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  say("");
  say(`  Dashboard   ${httpUrl}/`);
  say(`  Publish to  ${rtmpUrl}/<stream key>`);
  if (rtmpsUrl !== null) say(`  or (TLS)    ${rtmpsUrl}/<stream key>   under a name that the certificate bears`);
  if (whipUrl !== null) say(`  or (WHIP)   ${whipUrl}/<stream name>   with the stream key as bearer token`);
  if (generated.streamKey) say(`  Stream key  ${generated.streamKey.fresh ? generated.streamKey.secret : "generated earlier"}   (stream "studio", kept in ${generated.streamKey.path})`);
  if (generated.token) say(`  Token       ${generated.token.fresh ? `${generated.token.secret}   open ${httpUrl}/?token=${generated.token.secret}` : "generated earlier"}   (kept in ${generated.token.path})`);
  else if (tokenInUse) say("  Token       as configured");
  say("");
}
