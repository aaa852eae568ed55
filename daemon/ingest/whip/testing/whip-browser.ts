/** Chromium with a fake camera that plays a file, on a page of another origin than the WHIP endpoint, using @eyevinn/whip-web-client. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Page, chromium } from "playwright-core";
import { build } from "vite";

const run = promisify(execFile);
const ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"];
/** Puts the client and the fake camera where the tests' page functions find them. */
const PAGE_SCRIPT = `
import { WHIPClient } from "@eyevinn/whip-web-client";
globalThis.startPublishing = async ({ endpoint, key, codec }) => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 180, frameRate: 15 }, audio: true });
  const client = new WHIPClient({ endpoint, opts: { authkey: key, noTrickleIce: true, timeout: 100, iceServers: [] } });
  globalThis.whip = client;
  const createOffer = client.peer.createOffer.bind(client.peer);
  client.peer.createOffer = (options) => {
    const video = client.peer.getTransceivers().find(({ sender }) => sender.track?.kind === "video");
    video.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => mimeType === "video/" + codec));
    return createOffer(options);
  };
  await client.ingest(stream);
  await client.getResourceUrl();
};
`;

export interface WhipBrowser extends AsyncDisposable {
  openPage(): Promise<Page>;
}

export async function startWhipBrowser(): Promise<WhipBrowser> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-whip-"));
  const camera = join(folder, "camera.y4m");
  await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15", "-t", "4", "-pix_fmt", "yuv420p", camera]);
  const script = await bundle(PAGE_SCRIPT);
  const server = createServer((request, response) => {
    if (request.url === "/page.js") response.setHeader("content-type", "text/javascript").end(script);
    else response.setHeader("content-type", "text/html").end('<!doctype html><script type="module" src="/page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const browser = await chromium.launch({ executablePath: process.env["TRUECAST_CHROMIUM"] ?? "/usr/bin/chromium", args: [...ARGUMENTS, `--use-file-for-fake-video-capture=${camera}`] });
  return {
    async openPage() {
      const page = await browser.newPage();
      await page.goto(`http://localhost:${port}/`);
      await page.waitForFunction("globalThis.startPublishing !== undefined");
      return page;
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function bundle(code: string): Promise<string> {
  const entry = "virtual:page";
  const output = await build({
    configFile: false,
    logLevel: "error",
    plugins: [{ name: "page", resolveId: (id) => (id === entry ? id : id === "@eyevinn/whip-web-client" ? createRequire(import.meta.url).resolve(id) : null), load: (id) => (id === entry ? code : null) }],
    build: { write: false, minify: false, rollupOptions: { input: entry } },
  });
  const chunks = (Array.isArray(output) ? output : [output]).flatMap((each) => ("output" in each ? each.output : []));
  const chunk = chunks.find((each) => each.type === "chunk");
  if (chunk?.type !== "chunk") throw new Error("the page's script was not built");
  return chunk.code;
}

/** Publishes the page's camera; resolves once the endpoint has answered. */
export async function startPublishing(page: Page, options: { readonly endpoint: string; readonly key: string; readonly codec: "H264" | "VP8" | "VP9" | "AV1" }): Promise<void> {
  await page.evaluate(`startPublishing(${JSON.stringify(options)})`);
}
