/** `truecast evidence verify|list|delete`: evidence from the command line, also where no daemon runs. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { loadConfig } from "../../config/load.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { evidenceFolder } from "../daemon-evidence.ts";
import { type Archive, openArchive } from "../evidence/archive.ts";
import { listIncidents } from "../evidence/folders.ts";
import { MANIFEST_FILE, parseManifest } from "../evidence/manifest.ts";
import { LOG_FILE } from "../evidence/evidence-log.ts";
import { parseLine } from "../evidence/log-record.ts";
import { type Verification, verifyEvidence } from "../evidence/verify.ts";
import { openStore } from "../store/store.ts";
import { version } from "../version.ts";

/** Exit codes of `verify`, like grep's: as it was, changed, could not tell. */
const EXIT = { intact: 0, tampered: 1, unable: 2 } as const;

export async function verify(folder: string, { publicKey }: { readonly publicKey?: string }): Promise<void> {
  try {
    const publicKeyPem = publicKey === undefined ? undefined : await readFile(publicKey, "utf8");
    const verification = await verifyEvidence({ folder, publicKeyPem });
    report(folder, verification);
    process.exitCode = verification.findings.length === 0 ? EXIT.intact : EXIT.tampered;
  } catch (error) {
    console.error(`truecast: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = EXIT.unable;
  }
}

function report(folder: string, { findings, removed, incidents, files, records, fingerprint, keyIsIndependent }: Verification): void {
  for (const { fault, where, message } of findings) console.log(`${fault.toUpperCase().padEnd(10)} ${where}: ${message}`);
  for (const what of removed) console.log(`deleted    ${what}: by a signed record`);
  const counted = `${incidents} incident${incidents === 1 ? "" : "s"}, ${files} file${files === 1 ? "" : "s"} and ${records} record${records === 1 ? "" : "s"}`;
  console.log(findings.length === 0 ? `${folder}: ${counted} are as they were sealed` : `${folder}: ${findings.length} fault${findings.length === 1 ? "" : "s"} in ${counted}`);
  console.log(`key        ${fingerprint}`);
  if (!keyIsIndependent) console.log("           taken from beside the evidence: whoever could change one could change the other. Compare it with a copy kept elsewhere, or name that with --public-key.");
}

/** Reads only, so it works beside a running daemon. */
export async function list({ config: file, stream }: { readonly config?: string; readonly stream?: string }): Promise<void> {
  const root = evidenceFolder(loadConfig({ file, environment: process.env }).config);
  const { incidents } = await listIncidents(root);
  const holds = await heldIncidents(root);
  for (const folder of incidents) {
    if (stream !== undefined && folder.stream !== stream) continue;
    const manifest = parseManifest(await readFile(join(folder.path, MANIFEST_FILE), "utf8").catch(() => ""));
    const state = manifest === null ? "no manifest" : manifest.complete ? "complete" : `incomplete (${manifest.problems.join(", ")})`;
    const bytes = manifest?.files.reduce((sum, { bytes: size }) => sum + size, 0) ?? 0;
    console.log(`${folder.day}  ${folder.stream}  ${folder.incident}  ${(bytes / 1_000_000).toFixed(1)} MB  ${state}${holds.has(folder.incident) ? "  held" : ""}`);
  }
}

async function heldIncidents(root: string): Promise<ReadonlySet<string>> {
  const held = new Set<string>();
  for (const text of (await readFile(join(root, LOG_FILE), "utf8").catch(() => "")).split("\n")) {
    const record = parseLine(text)?.record;
    if (record?.kind !== "hold") continue;
    if (record.held) held.add(record.incident);
    else held.delete(record.incident);
  }
  return held;
}

export interface DeleteOptions {
  readonly config?: string;
  readonly incident?: string;
  readonly stream?: string;
  readonly keepAlerts?: boolean;
}

/** Where no daemon runs; a running one is asked over HTTP, because only one process may write the log. */
export async function remove({ config: file, incident, stream, keepAlerts = false }: DeleteOptions): Promise<void> {
  if ((incident === undefined) === (stream === undefined)) throw new TruecastError("config-invalid", "name either --incident or --stream");
  const { config } = loadConfig({ file, environment: process.env });
  const log = pino({ level: "silent" });
  const root = evidenceFolder(config);
  if (!existsSync(root)) throw new TruecastError("not-found", `there is no evidence in ${root}`);
  const path = incident === undefined ? `/api/v1/streams/${stream}/evidence?alerts=${!keepAlerts}` : `/api/v1/alerts/${incident}/evidence?alert=${!keepAlerts}`;
  const archive = await openArchive({ folder: root, version, log }).catch((error: unknown) => {
    if (!(error instanceof TruecastError) || error.code !== "conflict") throw error;
    throw new TruecastError("conflict", `a daemon has ${root} open; ask it: curl -X DELETE 'http://${config.http.host}:${config.http.port}${path}'`, { cause: error });
  });
  await using _archive: Archive = archive;
  await using store = openStore({ path: join(config.dataDir, "truecast.db"), log });
  const found = archive.list().filter(({ manifest }) => (incident === undefined ? manifest.stream === stream : manifest.incident === incident));
  const kept: string[] = [];
  for (const { manifest, held } of found) {
    if (held) {
      kept.push(manifest.incident);
      console.log(`held       ${manifest.incident}: stays`);
      continue;
    }
    await archive.remove(manifest.incident, { files: null, cause: "request" });
    console.log(`deleted    ${manifest.incident}`);
  }
  if (keepAlerts) return;
  const erased = incident === undefined ? store.eraseStream(stream ?? "", kept) : kept.length > 0 ? 0 : store.eraseAlerts([incident]);
  console.log(`erased     ${erased} alert${erased === 1 ? "" : "s"} from the store`);
  if (found.length === 0 && erased === 0) throw new TruecastError("not-found", "there was nothing to delete");
}
