/** RTMPS: real ffmpeg over TLS into the real ingest process, the caps of RTMP, and certificates that change or are wrong. */
import { once } from "node:events";
import { mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SelfSigned, makeSelfSigned } from "../testing/self-signed.ts";
import { decodeFlv, flvTags, publishWithFfmpeg, startFlvReader } from "./testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "./testing/ingest-child.ts";
import { connectRtmp } from "./testing/rtmp-client.ts";

const KEY = "secret-key-secure";
const streams = [{ name: "secure", key: KEY }, { name: "plain", key: "secret-key-plain" }, { name: "renewed", key: "secret-key-renewed" }];
const until = { timeout: 10_000, interval: 20 };

let folder: string;
let first: SelfSigned;
let second: SelfSigned;
/** What the ingest is given: links, as those who renew certificates place them. */
let files: { readonly certFile: string; readonly keyFile: string };
let ingest: IngestChild;

/** Replaces a link in one step. */
async function link(target: string, path: string): Promise<void> {
  await symlink(target, `${path}.next`);
  await rename(`${path}.next`, path);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "truecast-rtmps-"));
  first = await makeSelfSigned({ folder, name: "first" });
  second = await makeSelfSigned({ folder, name: "second" });
  files = { certFile: join(folder, "live.pem"), keyFile: join(folder, "live.key") };
  await link(first.certFile, files.certFile);
  await link(first.keyFile, files.keyFile);
  ingest = await startIngestChild({
    port: 0,
    rtmps: { port: 0, ...files },
    streams,
    limits: { handshakeTimeoutMs: 800, publishTimeoutMs: 1_600, tickMs: 50, maxConnections: 6, certificateCheckMs: 50, maxRefusalReportsPerSecond: 1_000 },
  });
});
afterAll(async () => {
  await ingest[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const port = () => ingest.rtmpsPort ?? 0;
const url = () => `rtmps://127.0.0.1:${port()}/live/${KEY}`;

async function refusalOf(action: () => Promise<unknown>) {
  const before = new Set(ingest.messages);
  await action();
  return await ingest.until("connection-refused", (message) => !before.has(message));
}

/** The certificate that a new connection is shown. */
async function shown(options: { readonly maxVersion?: "TLSv1.1"; readonly minVersion?: "TLSv1" } = {}): Promise<{ readonly name: string | undefined; readonly socket: TLSSocket }> {
  const socket = connectTls({ port: port(), host: "127.0.0.1", rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  const { CN } = socket.getPeerCertificate().subject;
  return { name: Array.isArray(CN) ? CN[0] : CN, socket };
}

test("H.264 published by ffmpeg over rtmps:// arrives like over rtmp://, under its own name", async () => {
  await using reader = await startFlvReader();
  await using publisher = publishWithFfmpeg(url());
  const published = await ingest.until("published", ({ stream }) => stream === "secure");
  expect(published).toMatchObject({ protocol: "rtmps", remote: "127.0.0.1" });
  ingest.send({ type: "route", stream: "secure", sessionId: published.sessionId, socketPath: reader.socketPath });
  await reader.until(([connection]) => connection !== undefined && flvTags(connection.flv()).length >= 45);
  const flv = reader.connections[0]?.flv() ?? Buffer.alloc(0);
  expect(await decodeFlv(flv)).toEqual({ frames: flvTags(flv).length - 1, errors: "" });
  expect(publisher.process.exitCode).toBeNull();
});

describe("the rules are those of RTMP", () => {
  test("a wrong key is refused with its reason", async () => {
    await using publisher = publishWithFfmpeg(`rtmps://127.0.0.1:${port()}/live/wrong-but-well-formed-key`);
    expect(await publisher.exited).not.toBe(0);
    expect(publisher.output()).toContain("key-unknown: The stream key matches no configured stream.");
  });

  test("a client of plain RTMP, and one of TLS 1.1, get no further than the handshake", async () => {
    const refusal = await refusalOf(async () => {
      const client = await connectRtmp(port());
      client.send(Buffer.concat([Buffer.from([3]), Buffer.alloc(3_072)]));
      await client.closed;
    });
    expect(refusal).toMatchObject({ code: "protocol-violation", remote: "127.0.0.1", message: expect.stringMatching(/^The TLS handshake failed \(ERR_SSL_/) as string });
    const old = await refusalOf(() => expect(shown({ minVersion: "TLSv1", maxVersion: "TLSv1.1" })).rejects.toThrow());
    expect(old.message).toMatch(/^The TLS handshake failed \(ERR_SSL_/);
  });

  test("one that does not finish the TLS handshake, and one that then stays silent, are cut off in time", async () => {
    const silent = await refusalOf(async () => once(connect({ port: port(), host: "127.0.0.1" }).resume(), "close"));
    expect(silent).toMatchObject({ code: "protocol-violation", message: "The TLS handshake failed (ERR_TLS_HANDSHAKE_TIMEOUT)." });
    const idle = await refusalOf(async () => (await connectRtmp(port(), { certificate: first.certificate })).closed);
    expect(idle).toMatchObject({ code: "protocol-violation", message: "The client did not finish the RTMP handshake in time." });
  });

  test("connections of both kinds count together, handshakes under way too, and the places come back", async () => {
    await expect.poll(() => ingest.messages.findLast((message) => message.type === "stats")?.connections, until).toBe(0);
    const before = ingest.messages.filter((message) => message.type === "connection-refused" && message.code === "capacity-reached").length;
    const sockets = [...Array.from({ length: 6 }, () => connect({ port: port(), host: "127.0.0.1" })), ...Array.from({ length: 6 }, () => connect({ port: ingest.port, host: "127.0.0.1" }))];
    const closed = sockets.map((socket) => once(socket.on("error", () => {}).resume(), "close"));
    await expect.poll(() => ingest.messages.filter((message) => message.type === "connection-refused" && message.code === "capacity-reached").length, until).toBe(before + 6);
    await Promise.all(closed);
    const client = await connectRtmp(port(), { certificate: first.certificate });
    await client.publish("secret-key-plain");
    expect(client.received().toString("latin1")).toContain("NetStream.Publish.Start");
    client.destroy();
    await client.closed;
  });
});

test("a renewed certificate is shown to new connections, and the publisher of before goes on; half a renewal changes nothing", async () => {
  await using publisher = publishWithFfmpeg(`rtmps://127.0.0.1:${port()}/live/secret-key-renewed`);
  await ingest.until("published", ({ stream }) => stream === "renewed");
  const names = async () => {
    const { name, socket } = await shown();
    socket.destroy();
    return name;
  };
  expect(await names()).toBe("first");
  await link(second.certFile, files.certFile);
  expect(await ingest.until("certificate-refused")).toMatchObject({ code: "config-invalid", message: `\`rtmps.keyFile\` is "${files.keyFile}" but its key does not belong to the certificate in "${files.certFile}"` });
  expect(await names()).toBe("first");
  await link(second.keyFile, files.keyFile);
  await expect.poll(() => ingest.messages.filter((message) => message.type === "certificate-loaded").length, until).toBe(2);
  expect(await names()).toBe("second");
  const packets = () => ingest.messages.findLast((message) => message.type === "stats")?.streams.find(({ stream }) => stream === "renewed")?.videoPackets ?? 0;
  const before = packets();
  await expect.poll(packets, until).toBeGreaterThan(before + 30);
  expect(ingest.messages.filter((message) => message.type === "publisher-lost" && message.stream === "renewed")).toEqual([]);
  expect(publisher.process.exitCode).toBeNull();
});

test("files that can no longer be looked at are told, the certificate of before serves on, and what comes after them is taken", async () => {
  const loaded = () => ingest.messages.filter((message) => message.type === "certificate-loaded").length;
  const before = loaded();
  const loop = join(folder, "loop");
  await symlink(loop, loop);
  await link(loop, files.certFile);
  expect(await ingest.until("certificate-refused", ({ message }) => message.includes("ELOOP"))).toMatchObject({ code: "config-invalid" });
  const { name, socket } = await shown();
  socket.destroy();
  expect(name).toBeDefined();
  await link(first.certFile, files.certFile);
  await link(first.keyFile, files.keyFile);
  await expect.poll(loaded, until).toBeGreaterThan(before);
});

describe("a start with files that cannot be used names the file and the fault", () => {
  const start = (given: { certFile: string; keyFile: string }) => startIngestChild({ port: 0, rtmps: { port: 0, ...given }, streams: [] });

  test("neither there nor readable", async () => {
    await expect(start({ ...first, certFile: join(folder, "absent.pem") })).rejects.toThrow(/config-invalid.*rtmps\.certFile.*absent\.pem.*cannot be read \(ENOENT\)/);
    await expect(start({ ...first, keyFile: folder })).rejects.toThrow(/config-invalid.*rtmps\.keyFile.*cannot be read \(EISDIR\)/);
  });

  test("no certificate, no key, or the key of another certificate", async () => {
    const text = join(folder, "text.pem");
    await writeFile(text, "neither");
    await expect(start({ ...first, certFile: text })).rejects.toThrow(/rtmps\.certFile.*text\.pem.*holds no certificate in PEM/);
    await expect(start({ ...first, keyFile: text })).rejects.toThrow(/rtmps\.keyFile.*text\.pem.*holds no private key in PEM/);
    await expect(start({ ...first, keyFile: second.keyFile })).rejects.toThrow(/rtmps\.keyFile.*second\.key.*does not belong to the certificate in.*first\.pem/);
  });

  test("a port that is taken", async () => {
    await expect(startIngestChild({ port: 0, rtmps: { ...first, port: port() }, streams: [] })).rejects.toThrow(`RTMPS cannot listen on 127.0.0.1:${port()}: another process holds the port.`);
  });
});
