/** The routes that change sources, against a scripted daemon. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TruecastError } from "../../pipelines/errors.ts";
import { type Problem, Source, type SourceInput } from "../protocol.ts";
import { fakeSource, SOURCE } from "./testing/fake-source.ts";
import { type Answer, ask, expectMatches } from "./testing/requests.ts";
import { startTestServer, type TestServer } from "./testing/start.ts";

const puts: [string, SourceInput][] = [];
let server: TestServer;

beforeAll(async () => {
  const source = fakeSource();
  server = await startTestServer({
    source: {
      ...source,
      putSource(name, input) {
        puts.push([name, input]);
        if (name === "taken") throw new TruecastError("conflict", 'Stream "taken" is pulled by the configuration; change it there.');
        if (name === "full") throw new TruecastError("capacity-reached", "64 streams are pulled.");
        if (name === "inner") throw new TruecastError("address-refused", "127.0.0.1 is a loopback address.");
        return source.putSource(name, input);
      },
    },
  });
});
afterAll(() => server.http.close());

const put = (name: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(server.http.url, `/api/v1/streams/${name}/source`, { method: "PUT", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
const codeOf = (answer: Answer): [number, string] => [answer.status, (answer.json() as Problem).code];

test("a source is read, added, changed and taken out", async () => {
  const read = await ask(server.http.url, "/api/v1/streams/studio-a/source");
  expect(read.json()).toEqual(SOURCE);
  expectMatches(Source, read.json());
  const added = await put("new-one", { url: "rtsp://user:secret@camera.example/1" });
  expect(added.status).toBe(201);
  expectMatches(Source, added.json());
  expect((await put("studio-a", { url: "http://camera.example/x", format: "hls", loop: true })).status).toBe(200);
  expect(puts.splice(0)).toEqual([
    ["new-one", { url: "rtsp://user:secret@camera.example/1", loop: false }],
    ["studio-a", { url: "http://camera.example/x", format: "hls", loop: true }],
  ]);
  const removed = await ask(server.http.url, "/api/v1/streams/studio-a/source", { method: "DELETE" });
  expect([removed.status, removed.body.length]).toEqual([204, 0]);
});

test("what is not there, not allowed or not well formed is told apart", async () => {
  expect(codeOf(await ask(server.http.url, "/api/v1/streams/studio-b/source"))).toEqual([404, "not-found"]);
  expect(codeOf(await ask(server.http.url, "/api/v1/streams/studio-b/source", { method: "DELETE" }))).toEqual([404, "not-found"]);
  expect(codeOf(await put("taken", { url: "srt://a:1" }))).toEqual([409, "conflict"]);
  expect(codeOf(await put("full", { url: "srt://a:1" }))).toEqual([409, "capacity-reached"]);
  expect(codeOf(await put("inner", { url: "srt://127.0.0.1:1" }))).toEqual([400, "address-refused"]);
  for (const body of [{}, { url: "" }, { url: "srt://a:1", format: "gif" }, { url: "srt://a:1", more: 1 }, [], null]) expect(codeOf(await put("x", body))).toEqual([400, "request-invalid"]);
  expect(codeOf(await put("Not_A_Name", { url: "srt://a:1" }))).toEqual([400, "request-invalid"]);
  expect(codeOf(await put("x", { url: `srt://${"a".repeat(20_000)}:1` }))).toEqual([413, "request-invalid"]);
  const post = await ask(server.http.url, "/api/v1/streams/x/source", { method: "POST" });
  expect([codeOf(post), post.headers.allow]).toEqual([[405, "request-invalid"], "GET, HEAD, PUT, DELETE"]);
});

test("no page elsewhere can change a source", async () => {
  puts.length = 0;
  expect(codeOf(await put("x", { url: "srt://a:1" }, { origin: "https://evil.example" }))).toEqual([403, "forbidden"]);
  // What a page may send without asking first is no JSON to the server.
  const plain = await ask(server.http.url, "/api/v1/streams/x/source", { method: "PUT", headers: { "content-type": "text/plain" }, body: '{"url":"srt://a:1"}' });
  expect(codeOf(plain)[0]).toBeGreaterThanOrEqual(400);
  expect(puts).toEqual([]);
});

test("with a token configured, none can be changed without it", async () => {
  await using guarded = await startTestServer({ token: "0123456789abcdef" });
  for (const method of ["GET", "PUT", "DELETE"]) expect(codeOf(await ask(guarded.http.url, "/api/v1/streams/studio-a/source", { method }))).toEqual([401, "unauthorized"]);
});
