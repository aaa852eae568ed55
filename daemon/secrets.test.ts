import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { keptSecret } from "./secrets.ts";

test("a secret is made once, is long, and only its user may read it", () => {
  const dataDir = join(mkdtempSync(join(tmpdir(), "truecast-secret-")), "new");
  const first = keptSecret(dataDir, "studio.key");
  expect(first).toMatchObject({ fresh: true, secret: expect.stringMatching(/^[A-Za-z0-9_-]{24}$/) as string });
  expect(statSync(first.path).mode & 0o777).toBe(0o600);
  expect(keptSecret(dataDir, "studio.key")).toMatchObject({ fresh: false, secret: first.secret });
});
