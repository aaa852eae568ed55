/** `truecast doctor`: checks what the daemon needs on this machine and says what to do about what is missing. */
import { execFile } from "node:child_process";
import { access, constants, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pino from "pino";
import { loadConfig } from "../../config/load.ts";
import { loadModelFolder } from "../../models/manifest.ts";
import { modelFolder, startInference } from "../inference-service.ts";
import { type CertificateFiles, readTlsCertificate } from "../tls-certificate.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly text: string;
}

const run = promisify(execFile);
/** As ffmpeg lists them; its own decoder of AV1 needs hardware. */
const DECODERS = { "H.264": /\sh264\s/, HEVC: /\shevc\s/, AV1: /\s(?:libdav1d|libaom-av1)\s/, VP9: /\svp9\s/, VP8: /\svp8\s/ };
const DAY_MS = 24 * 3_600_000;
/** Whoever renews a certificate does so earlier. */
const EXPIRY_WARNING_MS = 14 * DAY_MS;

export async function doctor({ config: file }: { readonly config?: string }): Promise<void> {
  const { config, rtmps } = loadConfig({ file, environment: process.env });
  const modelDir = modelFolder(config.inference.model, config.inference.modelsDir);
  const findings = [
    await check("configuration", async () => file ?? "defaults"),
    await check("node", async () => {
      const major = Number(process.versions.node.split(".")[0]);
      if (major < 26) throw new Error(`${process.version} is too old; run through npm or scripts/truecast.mjs, which bring Node 26`);
      return process.version;
    }),
    await check("ffmpeg", () => programVersion("ffmpeg")),
    await check("ffprobe", () => programVersion("ffprobe")),
    await check("video decoders", async () => {
      const { stdout } = await run("ffmpeg", ["-hide_banner", "-decoders"]);
      const missing = Object.entries(DECODERS).filter(([, decoder]) => !decoder.test(stdout)).map(([name]) => name);
      if (missing.length > 0) throw new Error(`this ffmpeg has none for ${missing.join(", ")}; install the distribution's full ffmpeg`);
      return Object.keys(DECODERS).join(", ");
    }),
    await check("data folder", async () => {
      await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
      await access(config.dataDir, constants.W_OK);
      return config.dataDir;
    }),
    await check("dashboard", async () => {
      await access(fileURLToPath(new URL("../../dashboard/dist/index.html", import.meta.url))).catch((error: unknown) => {
        throw new Error("not built; run `npm run setup`", { cause: error });
      });
      return "built";
    }),
    await check(`port ${config.http.port} (http)`, () => portFree(config.http.host, config.http.port)),
    await check(`port ${config.rtmp.port} (rtmp)`, () => portFree(config.rtmp.host, config.rtmp.port)),
    ...(rtmps ? [await check(`port ${rtmps.port} (rtmps)`, () => portFree(config.rtmp.host, rtmps.port)), await check("rtmps certificate", async () => certificateInUse(rtmps))] : []),
    ...(config.whip.enabled ? [await check(`port ${config.whip.port} (whip)`, () => portFree(config.whip.host, config.whip.port))] : []),
    await check(`model ${config.inference.model}`, async () => {
      const { info } = await loadModelFolder(modelDir);
      return `hashes match${info.kind === "scripted" ? "; SCRIPTED, detects nothing" : info.trained ? "" : "; UNTRAINED, raises no alerts"}`;
    }),
    await check(`provider ${config.inference.provider}`, async () => {
      const runtimeDir = await mkdtemp(join(tmpdir(), "truecast-"));
      try {
        await using inference = await startInference({
          socketPath: join(runtimeDir, "inference.sock"),
          modelDir,
          provider: config.inference.provider,
          threads: config.inference.threads,
          maxBatch: config.inference.maxBatch,
          maxTracks: 1,
          log: pino({ level: "silent" }),
          onStats: () => undefined,
        });
        return `runs on ${inference.provider ?? "nothing"}`;
      } finally {
        await rm(runtimeDir, { recursive: true, force: true });
      }
    }),
  ];
  for (const { what, ok, text } of findings) console.log(`${ok ? "ok  " : "FAIL"}  ${what.padEnd(24)} ${text}`);
  process.exitCode = findings.every(({ ok }) => ok) ? 0 : 1;
}

async function check(what: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { what, ok: true, text: await look() };
  } catch (error) {
    return { what, ok: false, text: error instanceof Error ? error.message : String(error) };
  }
}

/** Publishers refuse an expired certificate, and the daemon does not: it may be renewed while it runs. */
function certificateInUse(files: CertificateFiles): string {
  const { names, validUntil } = readTlsCertificate(files);
  const until = new Date(validUntil).toISOString();
  if (validUntil < Date.now()) throw new Error(`${files.certFile} expired on ${until}; renew it`);
  return `${names}, until ${until}${validUntil < Date.now() + EXPIRY_WARNING_MS ? `: only ${Math.floor((validUntil - Date.now()) / DAY_MS)} days left` : ""}`;
}

async function programVersion(program: string): Promise<string> {
  try {
    const { stdout } = await run(program, ["-version"]);
    return /version (\S+)/.exec(stdout)?.[1] ?? "unknown version";
  } catch (error) {
    throw new Error(`not found on PATH; on Debian or Ubuntu: sudo apt-get install -y ffmpeg`, { cause: error });
  }
}

function portFree(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new Error(error.code === "EADDRINUSE" ? `${host}:${port} is taken by another process; stop it or set another port` : error.message));
    });
    server.listen(port, host, () => server.close(() => resolve("free")));
  });
}
