/** Against real servers on loopback, which stands for the outside; 127.0.0.2 stands for the inside. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createGuardedHttp, readBody } from "./guarded-http.ts";
import { createOutboundGuard, type Lookup } from "./outbound-guard.ts";

interface TestServer {
  readonly port: number;
  readonly requests: IncomingMessage[];
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void, host = "127.0.0.1"): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, host);
  await once(server, "listening");
  onTestFinished(() => server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port, requests };
}

const limits = { answerTimeoutMs: 1_500, idleTimeoutMs: 300 };
const client = (lookup?: Lookup) => createGuardedHttp(createOutboundGuard({ allow: ["127.0.0.1"], ...(lookup ? { lookup } : {}) }), limits);
const { signal } = new AbortController();
const redirectTo = (location: string) => (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(302, { location }).end();

test("a name is pinned: a resolver that answers with an inner address the second time is not asked again", async () => {
  const inner = await serve((_request, response) => void response.end("inner"), "127.0.0.2");
  const outer = await serve((_request, response) => void response.end("outer"));
  const script = ["127.0.0.1", "127.0.0.2"];
  const response = await client(() => Promise.resolve([{ address: script.shift() ?? "", family: 4 }])).request({ url: new URL(`http://rebind.example:${outer.port}/`), signal });
  expect((await readBody(response, { maxBytes: 100, what: "it" })).toString()).toBe("outer");
  expect(outer.requests[0]?.headers.host).toBe(`rebind.example:${outer.port}`);
  expect(script).toEqual(["127.0.0.2"]);
  expect(inner.requests).toHaveLength(0);
});

test.each(["file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.2:1/", "http://[::ffff:127.0.0.2]/", "http://0x7f000002/", "http://2130706434/", "data:text/plain,x"])("a redirect to %s is refused", async (location) => {
  const server = await serve(redirectTo(location));
  await expect(client().request({ url: new URL(`http://127.0.0.1:${server.port}/`), signal })).rejects.toMatchObject({ code: "address-refused" });
});

test("an allowed redirect is followed, without the credentials when the origin is another", async () => {
  const target = await serve((_request, response) => void response.end("there"));
  const server = await serve(redirectTo(`http://127.0.0.1:${target.port}/next`));
  const response = await client().request({ url: new URL(`http://user:secret@127.0.0.1:${server.port}/`), signal });
  expect(response.url.pathname).toBe("/next");
  expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("user:secret").toString("base64")}`);
  expect(target.requests[0]?.headers.authorization).toBeUndefined();
  response.body.destroy();
});

test("a chain of redirects ends", async () => {
  const server = await serve((_request, response) => void response.writeHead(302, { location: "/again" }).end());
  await expect(client().request({ url: new URL(`http://127.0.0.1:${server.port}/`), signal })).rejects.toMatchObject({ code: "unreachable" });
  expect(server.requests).toHaveLength(6);
});

test("a server that does not answer, and one that stops in the middle, are given up", async () => {
  const silent = await serve(() => undefined);
  await expect(client().request({ url: new URL(`http://127.0.0.1:${silent.port}/`), signal })).rejects.toThrow(/did not answer within 1.5 s/);
  const stopping = await serve((_request, response) => void response.write("x"));
  const response = await client().request({ url: new URL(`http://127.0.0.1:${stopping.port}/`), signal });
  await expect(readBody(response, { maxBytes: 100, what: "it" })).rejects.toThrow(/sent nothing for 0.3 s/);
});

test("a body past its cap is cut off", async () => {
  const server = await serve((_request, response) => void response.end(Buffer.alloc(2_000)));
  const response = await client().request({ url: new URL(`http://127.0.0.1:${server.port}/`), signal });
  await expect(readBody(response, { maxBytes: 1_000, what: "The playlist" })).rejects.toThrow(/longer than 1000 bytes/);
});

test("a POST carries its body and follows no redirect", async () => {
  const server = await serve(redirectTo("http://127.0.0.2/"));
  const response = await client().request({ url: new URL(`http://127.0.0.1:${server.port}/`), method: "POST", body: "alert", signal });
  expect(response.status).toBe(302);
  expect(server.requests[0]?.method).toBe("POST");
  response.body.destroy();
});

test("no error quotes user, password, path or query", async () => {
  const server = await serve((_request, response) => void response.destroy());
  const error: unknown = await client().request({ url: new URL(`http://user:pass-word@127.0.0.1:${server.port}/secret-path?token=abc`), signal }).catch((caught: unknown) => caught);
  expect(String(error)).toContain("cannot be reached");
  expect(String(error)).not.toMatch(/user|pass-word|secret-path|abc/);
});
