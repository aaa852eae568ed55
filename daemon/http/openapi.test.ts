import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderOpenApi } from "./openapi.ts";
import { fakeSource, SOURCE, stream } from "./testing/fake-source.ts";
import { ask } from "./testing/requests.ts";
import { startTestServer } from "./testing/start.ts";

const COMMITTED = join(import.meta.dirname, "../../docs/openapi.json");

test("docs/openapi.json is what the schemas say; `npm run docs` writes it anew", async () => {
  expect(await renderOpenApi()).toBe(await readFile(COMMITTED, "utf8"));
});

test("docs/api.md names every route, and no example or table leads elsewhere", async () => {
  const { paths } = JSON.parse(await renderOpenApi()) as { paths: Record<string, unknown> };
  const text = await readFile(join(import.meta.dirname, "../../docs/api.md"), "utf8");
  const listed = new Set([...text.matchAll(/^\| `(?:GET|PUT|DELETE) (\S+)` \|/gm)].map((match) => match[1] ?? ""));
  expect([...listed].toSorted()).toEqual([...Object.keys(paths), "/", "/api/v1/openapi.json"].toSorted());

  await using server = await startTestServer({ source: fakeSource({ stream: () => ({ stream: stream("studio"), scores: [] }), source: () => SOURCE, thumbnail: () => ({ jpeg: Buffer.from("ffd8", "hex"), ptsMs: 0 }) }) });
  const examples = [...text.matchAll(/^curl .*http:\/\/127\.0\.0\.1:8480([^\s']+)/gm)].map((match) => match[1] ?? "");
  expect(examples.length).toBeGreaterThan(5);
  for (const path of examples) expect([path, (await ask(server.http.url, path)).status]).toEqual([path, 200]);
});

test("the running server serves the same document", async () => {
  await using server = await startTestServer();
  const answer = await ask(server.http.url, "/api/v1/openapi.json");
  expect(answer.json()).toEqual(JSON.parse(await readFile(COMMITTED, "utf8")));
});

test("every reference in the document leads to a component", async () => {
  const text = await renderOpenApi();
  const { components } = JSON.parse(text) as { components: { schemas: Record<string, unknown> } };
  const references = [...text.matchAll(/"\$ref": "([^"]+)"/g)].map((match) => match[1] ?? "");
  expect(references.length).toBeGreaterThan(20);
  for (const reference of references) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1] ?? "";
    expect(components.schemas).toHaveProperty([name]);
  }
});
