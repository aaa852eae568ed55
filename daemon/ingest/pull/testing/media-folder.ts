/** Playlists and segments that a real ffmpeg writes into a folder, and a web server for them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { H264 } from "../../testing/ffmpeg.ts";
import { startWebServer, type WebServer } from "./pulling.ts";

export interface MediaFolder extends AsyncDisposable {
  readonly folder: string;
  readonly web: WebServer;
  /** Resolves when the writer has ended; a recording is whole then. */
  readonly written: Promise<unknown>;
}

/** @param output arguments after the encoder's, run inside the folder. */
export async function startMediaFolder(output: readonly string[], { live = false, files = {} }: { readonly live?: boolean; readonly files?: Readonly<Record<string, string | Buffer>> } = {}): Promise<MediaFolder> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-media-"));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const input = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=30", ...(live ? [] : ["-t", "4"])];
  const child = spawn("ffmpeg", ["-nostdin", "-v", "error", ...(live ? ["-re"] : []), ...input, ...H264, ...output], { cwd: folder, stdio: "ignore" });
  const written = once(child, "exit");
  const web = await startWebServer((request, response) => {
    const name = (request.url ?? "").split("?")[0]?.slice(1) ?? "";
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    readFile(join(folder, name)).then(
      (bytes) => (range ? response.writeHead(206).end(bytes.subarray(Number(range[1]), Number(range[2]) + 1)) : response.end(bytes)),
      () => response.writeHead(404).end(),
    );
  });
  return {
    folder,
    web,
    written,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await written;
      await web[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
