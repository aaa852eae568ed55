/** Hostile servers: whatever they answer, nothing of ours is read and nothing inside is reached. 127.0.0.1 stands for the outside, 127.0.0.2 for the inside. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SourceSpec } from "./source-plan.ts";
import { startPulling, startWebServer, type WebServer } from "./testing/pulling.ts";
import { startRtspServer } from "./testing/rtsp-server.ts";

const TIMEOUT = { timeout: 30_000 };
let inner: WebServer;
let secretFile: string;
let folder: string;

beforeAll(async () => {
  inner = await startWebServer((_request, response) => void response.end("inner"), "127.0.0.2");
  folder = await mkdtemp(join(tmpdir(), "truecast-hostile-"));
  secretFile = join(folder, "secret.ts");
  await writeFile(secretFile, "not yours");
});

afterAll(async () => {
  // The one thing that every test of this file says.
  expect(inner.paths).toEqual([]);
  await inner[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** The code with which the source is given up. */
async function refusalOf(source: Omit<SourceSpec, "name">, options: Partial<Parameters<typeof startPulling>[0]> = {}): Promise<string> {
  await using pulling = await startPulling({ sources: [{ name: "cam", ...source }], ...options, limits: { connectTimeoutMs: 8_000, ...options.limits } });
  const { state } = await pulling.until("source-state", (event) => event.state.kind === "backing-off");
  expect(pulling.events.filter((event) => event.type === "connected")).toEqual([]);
  return state.kind === "backing-off" ? state.reason.code : "";
}

const media = (lines: string): string => `#EXTM3U\n#EXT-X-TARGETDURATION:1\n${lines}\n#EXT-X-ENDLIST\n`;
const leadsTo = (address: string): Record<string, string> => ({
  "a segment": media(`#EXTINF:1,\n${address}`),
  "a key": media(`#EXT-X-KEY:METHOD=AES-128,URI="${address}"\n#EXTINF:1,\nfine.ts`),
  "an initialisation segment": media(`#EXT-X-MAP:URI="${address}"\n#EXTINF:1,\nfine.mp4`),
  "a variant": `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${address}\n`,
});
const ADDRESSES = ["file://SECRET", "file:SECRET", "concat:SECRET|SECRET", "data:video/mp2t;base64,R0A=", "crypto+file:SECRET", "pipe:0", "tcp://INNER", "gopher://INNER/", "http://INNER/x", "//INNER/x", "http://[::ffff:127.0.0.2]:PORT/x", "http://0x7f000002:PORT/x", "http://2130706434:PORT/x", "http://0177.0.0.2:PORT/x", "http://127.2:PORT/x", "https://INNER/x"];

describe("an HLS playlist", () => {
  test.each(ADDRESSES)("that leads to %s is refused in every place that holds an address", TIMEOUT, async (pattern) => {
    const address = pattern.replaceAll("SECRET", secretFile).replaceAll("INNER", `127.0.0.2:${inner.port}`).replaceAll("PORT", String(inner.port));
    for (const [place, playlist] of Object.entries(leadsTo(address))) {
      await using web = await startWebServer((_request, response) => void response.end(playlist));
      expect([place, await refusalOf({ url: `${web.url}/live.m3u8` })]).toEqual([place, "address-refused"]);
      // Nothing but the playlist: a relative reading of the address would ask this server for it.
      expect(web.paths.filter((path) => path.includes("secret"))).toEqual([]);
    }
  });

  test("with an address that only ffmpeg takes for one is asked for as the path that it is", TIMEOUT, async () => {
    await using web = await startWebServer((_request, response) => void response.end(media(`#EXTINF:1,\nsubfile,,start,0,end,9,,:${secretFile}`)));
    expect(["input-not-media", "unreachable"]).toContain(await refusalOf({ url: `${web.url}/live.m3u8` }));
    expect(web.paths[1]).toBe(`/subfile,,start,0,end,9,,:${secretFile}`);
  });

  test("whose segment redirects inside is refused", TIMEOUT, async () => {
    await using web = await startWebServer((request, response) => {
      if (request.url === "/live.m3u8") response.end(media("#EXTINF:1,\nseg.ts"));
      else response.writeHead(302, { location: `http://127.0.0.2:${inner.port}/x` }).end();
    });
    expect(await refusalOf({ url: `${web.url}/live.m3u8` })).toBe("address-refused");
  });

  test("whose name is rebound between playlist and segment is refused at the segment", TIMEOUT, async () => {
    await using web = await startWebServer((_request, response) => void response.end(media(`#EXTINF:1,\nhttp://rebind.example:${inner.port}/x`)));
    const script = ["127.0.0.1", "127.0.0.2"];
    const lookup = (): Promise<{ address: string; family: number }[]> => Promise.resolve([{ address: script.shift() ?? "127.0.0.2", family: 4 }]);
    expect(await refusalOf({ url: `http://rebind.example:${web.port}/live.m3u8` }, { lookup })).toBe("address-refused");
  });

  test("without end, without sense or with keys of another length is refused", TIMEOUT, async () => {
    await using endless = await startWebServer((_request, response) => {
      const write = (): void => {
        while (response.write("#EXTM3U\n".repeat(1_000)) && !response.destroyed);
      };
      response.on("drain", write);
      write();
    });
    expect(await refusalOf({ url: `${endless.url}/live.m3u8` })).toBe("unreachable");
    await using nonsense = await startWebServer((_request, response) => void response.end("<html>"));
    expect(await refusalOf({ url: `${nonsense.url}/live.m3u8` })).toBe("playlist-invalid");
    await using shortKey = await startWebServer((request, response) => void response.end(request.url === "/key" ? "short" : media('#EXT-X-KEY:METHOD=AES-128,URI="key"\n#EXTINF:1,\nseg.ts')));
    expect(await refusalOf({ url: `${shortKey.url}/live.m3u8` })).toBe("playlist-invalid");
  });

  test("answered where FLV or TS was asked for is not followed: ffmpeg gets bytes and a format, and may open nothing", TIMEOUT, async () => {
    const playlist = `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.2:${inner.port}/x\n#EXT-X-ENDLIST\n`;
    await using web = await startWebServer((_request, response) => void response.end(playlist));
    for (const format of ["flv", "mpegts"] as const) expect(["input-not-media", "unreachable"]).toContain(await refusalOf({ url: `${web.url}/live`, format }));
  });

  test("or other script as a segment is not followed", TIMEOUT, async () => {
    for (const script of [`#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.2:${inner.port}/x\n#EXT-X-ENDLIST\n`, `ffconcat version 1.0\nfile ${secretFile}\n`]) {
      await using web = await startWebServer((request, response) => void response.end(request.url === "/live.m3u8" ? media("#EXTINF:1,\nseg.ts") : script));
      expect(["input-not-media", "unreachable"]).toContain(await refusalOf({ url: `${web.url}/live.m3u8` }));
    }
  });
});

describe("a DASH manifest", () => {
  const mpd = (inside: string, head = ""): string =>
    `${head}<MPD type="static" mediaPresentationDuration="PT4S"><Period><AdaptationSet contentType="video"><Representation id="v" bandwidth="1">${inside}</Representation></AdaptationSet></Period></MPD>`;
  const template = (media: string, initialization: string): string => `<SegmentTemplate media="${media}" initialization="${initialization}" duration="1"/>`;
  const answer = async (manifest: string): Promise<string> => {
    await using web = await startWebServer((_request, response) => void response.end(manifest));
    return await refusalOf({ url: `${web.url}/live.mpd` });
  };

  test.each(["file:///etc/passwd", "http://INNER/x", "data:video/mp4;base64,AAAA", "concat:/etc/passwd"])("that leads to %s is refused in every place that holds an address", TIMEOUT, async (pattern) => {
    const address = pattern.replaceAll("INNER", `127.0.0.2:${inner.port}`);
    const places = [`<SegmentTemplate media="${address}" duration="1"/>`, template("fine", address), `<BaseURL>${address}</BaseURL>`, `<SegmentList><Initialization sourceURL="${address}"/></SegmentList>`, `<SegmentList><SegmentURL media="${address}"/></SegmentList>`];
    for (const inside of places) expect([inside, await answer(mpd(inside))]).toEqual([inside, "address-refused"]);
  });

  test("with a document type, a billion segments or endless nesting is refused", TIMEOUT, async () => {
    expect(await answer(mpd(template("&x;", "i"), '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'))).toBe("playlist-invalid");
    const timeline = '<SegmentTemplate media="$Time$" timescale="1"><SegmentTimeline><S t="0" d="1" r="1000000000"/></SegmentTimeline></SegmentTemplate>';
    expect(await answer(mpd(timeline))).toBe("playlist-invalid");
    expect(await answer("<a>".repeat(100_000))).toBe("playlist-invalid");
  });
});

describe("an RTSP server", () => {
  test("that redirects is refused", TIMEOUT, async () => {
    await using server = await startRtspServer({ answer: () => ({ status: "302 Found", headers: [["Location", `rtsp://127.0.0.2:${inner.port}/x`]] }) });
    expect(await refusalOf({ url: `rtsp://127.0.0.1:${server.port}/x` })).toBe("address-refused");
  });

  test("that answers with UDP to an address of its choosing is refused", TIMEOUT, async () => {
    await using server = await startRtspServer({
      answer: (method) => (method === "SETUP" ? { status: "200 OK", headers: [["Transport", "RTP/AVP;unicast;source=127.0.0.2;client_port=5000-5001;server_port=53-54"], ["Session", "1"]] } : null),
    });
    expect(await refusalOf({ url: `rtsp://127.0.0.1:${server.port}/x` })).toBe("address-refused");
  });

  test("that does not speak RTSP is refused", TIMEOUT, async () => {
    await using web = await startWebServer((_request, response) => void response.end("x"));
    expect(["protocol-violation", "unreachable"]).toContain(await refusalOf({ url: `rtsp://127.0.0.1:${web.port}/x` }));
  });
});

test.each(["http://INNER/live.flv", "http://INNER/live.m3u8", "http://INNER/live.mpd", "rtsp://INNER/x", "rtmp://INNER/live/x", "srt://INNER", "udp://INNER", "srt://INNER?mode=listener", "udp://224.0.0.1:5000", "http://169.254.169.254/latest.ts", "rtsp://[::1]:554/x"])(
  "%s itself is refused",
  TIMEOUT,
  async (pattern) => {
    const lookup = (): Promise<{ address: string; family: number }[]> => Promise.resolve([{ address: "127.0.0.2", family: 4 }]);
    expect(await refusalOf({ url: pattern.replace("INNER", `127.0.0.2:${inner.port}`) })).toBe("address-refused");
    expect(await refusalOf({ url: pattern.replace("INNER", `inner.example:${inner.port}`) }, { lookup })).toBe("address-refused");
  },
);

test("a playlist among the allowed files is not followed", TIMEOUT, async () => {
  const scripts = { "a.m3u8": `#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.2:${inner.port}/x\n`, "b.txt": `ffconcat version 1.0\nfile ${secretFile}\n`, "c.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.2\ns=x\nc=IN IP4 127.0.0.2\nt=0 0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n" };
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(folder, name), text);
    expect(["input-not-media", "unreachable"]).toContain(await refusalOf({ url: `file://${folder}/${name}` }, { fileRoots: [folder] }));
  }
});

test("nothing that a source says holds its credentials", TIMEOUT, async () => {
  const secrets = ["user-name", "pass-word", "tok-en", "hidden-path"];
  await using web = await startWebServer((_request, response) => void response.destroy());
  const urls = ["http://user-name:pass-word@HOST/hidden-path/x.ts?k=tok-en", "rtsp://user-name:pass-word@HOST/hidden-path?k=tok-en", "rtmp://user-name:pass-word@HOST/live/hidden-path?k=tok-en", "srt://HOST?passphrase=pass-word-1&streamid=tok-en", "http://user-name:pass-word@HOST/hidden-path/x?k=tok-en"];
  await using pulling = await startPulling({ sources: urls.map((url, index) => ({ name: `s${index}`, url: url.replace("HOST", `127.0.0.1:${web.port}`) })), limits: { connectTimeoutMs: 3_000, readTimeoutMs: 3_000 } });
  for (const index of urls.keys()) await pulling.until("source-state", ({ stream, state }) => stream === `s${index}` && state.kind === "backing-off");
  const said = JSON.stringify(pulling.events);
  for (const secret of secrets) expect(said).not.toContain(secret);
});
