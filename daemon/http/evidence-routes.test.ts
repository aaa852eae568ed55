import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { TruecastError } from "../../pipelines/errors.ts";
import { Evidence } from "../protocol.ts";
import type { HttpSource } from "./source.ts";
import { ALERT, EVIDENCE, fakeSource } from "./testing/fake-source.ts";
import { ask, expectMatches } from "./testing/requests.ts";
import { startTestServer } from "./testing/start.ts";

const PATH = `/api/v1/alerts/${ALERT.id}/evidence`;
const json = { "content-type": "application/json" };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "truecast-evidence-http-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

/** Everything that was asked of the source, and what the fake answers instead. */
async function serve(changes: Partial<HttpSource> = {}) {
  const asked: unknown[] = [];
  const server = await startTestServer({
    source: fakeSource({
      holdEvidence: async (...args) => void asked.push(["hold", ...args]),
      removeEvidence: async (...args) => void asked.push(["remove", ...args]),
      removeStreamEvidence: async (...args) => {
        asked.push(["remove-stream", ...args]);
        return { removed: [ALERT.id], kept: [] };
      },
      ...changes,
    }),
  });
  onTestFinished(() => server.http.close());
  return { url: server.http.url, asked };
}

test("the evidence of an alert is answered as its schema says, and 404 where there is none", async () => {
  const { url } = await serve();
  const answer = await ask(url, PATH);
  expect(answer.status).toBe(200);
  expectMatches(Evidence, answer.json());
  expect((await ask(url, "/api/v1/alerts/nobody/evidence")).status).toBe(404);
});

test("hold and deletion reach the source with what was asked", async () => {
  const { url, asked } = await serve();
  expect((await ask(url, `${PATH}/hold`, { method: "PUT", headers: json, body: '{"held":true}' })).json()).toMatchObject({ alert: EVIDENCE.alert });
  expect((await ask(url, PATH, { method: "DELETE" })).status).toBe(204);
  expect((await ask(url, `${PATH}?alert=true`, { method: "DELETE" })).status).toBe(204);
  expect((await ask(url, "/api/v1/streams/gone-for-long/evidence?alerts=true", { method: "DELETE" })).json()).toEqual({ removed: [ALERT.id], kept: [] });
  const by = { actor: "loopback", name: "this machine", address: "127.0.0.1" };
  expect(asked).toEqual([["hold", ALERT.id, true, by], ["remove", ALERT.id, { withAlert: false }, by], ["remove", ALERT.id, { withAlert: true }, by], ["remove-stream", "gone-for-long", { withAlerts: true }, by]]);
});

test("what is held answers 409, a disk that fails 503, each with its reason", async () => {
  const { url } = await serve({
    removeEvidence: () => Promise.reject(new TruecastError("conflict", "under legal hold")),
    holdEvidence: () => Promise.reject(new TruecastError("evidence-failed", "The evidence folder cannot be used.")),
  });
  expect((await ask(url, PATH, { method: "DELETE" })).json()).toMatchObject({ status: 409, code: "conflict", detail: "under legal hold" });
  expect((await ask(url, `${PATH}/hold`, { method: "PUT", headers: json, body: '{"held":true}' })).json()).toMatchObject({ status: 503, code: "evidence-failed" });
});

test("bodies and queries that are not as documented are refused, and reach nobody", async () => {
  const { url, asked } = await serve();
  for (const body of ["{}", '{"held":"maybe"}', '{"held":null}', '{"held":0}', '{"held":"false"}', '{"held":true,"why":"x"}', "[]", "no json"]) expect([body, (await ask(url, `${PATH}/hold`, { method: "PUT", headers: json, body })).status]).toEqual([body, 400]);
  for (const path of [`${PATH}?alert=maybe`, `${PATH}?everything=true`, "/api/v1/streams/UPPER/evidence"]) expect([path, (await ask(url, path, { method: "DELETE" })).status]).toEqual([path, 400]);
  expect(asked).toEqual([]);
});

test("a token of another stream learns nothing of an alert's evidence and changes none, nor of one whose alert is gone from the store", async () => {
  const asked: unknown[] = [];
  const source = { holdEvidence: async (...args: unknown[]) => void asked.push(args), evidenceFile: () => ({ path: join(folder, "crops.jpg"), mediaType: "image/jpeg" }) };
  await writeFile(join(folder, "crops.jpg"), "a face");
  for (const [alert, status] of [[ALERT, 200], [{ ...ALERT, stream: "elsewhere" }, 404], [null, 404]] as const) {
    await using server = await startTestServer({ source: fakeSource({ ...source, alert: () => alert }) });
    const { secret } = server.access.tokens.create({ name: "guest", role: "reviewer", streams: [ALERT.stream] }, { actor: "test", name: "test", address: null });
    const as = { authorization: `Bearer ${secret}` };
    expect((await ask(server.http.url, PATH, { headers: as })).status).toBe(status);
    expect((await ask(server.http.url, `${PATH}/crops.jpg`, { headers: as })).status).toBe(status);
    expect((await ask(server.http.url, `${PATH}/hold`, { method: "PUT", headers: { ...as, ...json }, body: '{"held":true}' })).status).toBe(status);
  }
  expect(asked).toHaveLength(1);
});

test("a page of another origin can delete nothing", async () => {
  const { url, asked } = await serve();
  const headers = { origin: "https://elsewhere.example" };
  expect((await ask(url, PATH, { method: "DELETE", headers })).status).toBe(403);
  expect((await ask(url, `${PATH}/hold`, { method: "PUT", headers: { ...headers, ...json }, body: '{"held":false}' })).status).toBe(403);
  expect(asked).toEqual([]);
});

test("a file is answered whole, in ranges and by its head, as the media type that the evidence names, in a sandbox", async () => {
  await writeFile(join(folder, "clip.mp4"), "0123456789");
  const { url } = await serve({ evidenceFile: (_alert, name) => (name === "clip.mp4" ? { path: join(folder, name), mediaType: "video/mp4" } : null) });
  const whole = await ask(url, `${PATH}/clip.mp4`);
  expect([whole.status, whole.text]).toEqual([200, "0123456789"]);
  expect(whole.headers).toMatchObject({ "content-type": "video/mp4", "accept-ranges": "bytes", "x-content-type-options": "nosniff", "content-security-policy": expect.stringMatching(/^sandbox;/) as string, "cross-origin-resource-policy": "same-origin", "cache-control": "private, no-cache" });
  const part = await ask(url, `${PATH}/clip.mp4`, { headers: { range: "bytes=2-4" } });
  expect([part.status, part.text, part.headers["content-range"]]).toEqual([206, "234", "bytes 2-4/10"]);
  const end = await ask(url, `${PATH}/clip.mp4`, { headers: { range: "bytes=-3" } });
  expect([end.status, end.text]).toEqual([206, "789"]);
  expect((await ask(url, `${PATH}/clip.mp4`, { headers: { range: "bytes=99-" } })).status).toBe(416);
  const head = await ask(url, `${PATH}/clip.mp4`, { method: "HEAD" });
  expect([head.status, head.headers["content-length"], head.text]).toEqual([200, "10", ""]);
  expect((await ask(url, `${PATH}/other.mp4`)).status).toBe(404);
});

test("a picture that holds a script is not a page: its type is what the evidence says", async () => {
  await writeFile(join(folder, "scores.svg"), "<html><script>alert(1)</script></html>");
  const { url } = await serve({ evidenceFile: () => ({ path: join(folder, "scores.svg"), mediaType: "image/svg+xml" }) });
  const { headers } = await ask(url, `${PATH}/scores.svg`);
  expect(headers).toMatchObject({ "content-type": "image/svg+xml", "x-content-type-options": "nosniff", "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'" });
});

test("other methods are answered 405 with those that are offered", async () => {
  const { url } = await serve();
  const offered = { [PATH]: "GET, HEAD, DELETE", [`${PATH}/hold`]: "PUT", [`${PATH}/clip.mp4`]: "GET, HEAD", "/api/v1/streams/studio-a/evidence": "DELETE" };
  for (const [path, allow] of Object.entries(offered)) {
    const answer = await ask(url, path, { method: "PATCH" });
    expect([path, answer.status, answer.headers.allow]).toEqual([path, 405, allow]);
  }
});
