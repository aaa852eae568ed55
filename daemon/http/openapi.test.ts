import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderOpenApi } from "./openapi.ts";
import { ask } from "./testing/requests.ts";
import { startTestServer } from "./testing/start.ts";

const COMMITTED = join(import.meta.dirname, "../../docs/openapi.json");

test("docs/openapi.json is what the schemas say; `npm run docs:openapi` writes it anew", async () => {
  expect(await renderOpenApi()).toBe(await readFile(COMMITTED, "utf8"));
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
