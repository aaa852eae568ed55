/** What names the code behind a kept result. */
import { expect, test } from "vitest";
import { pipelineIdentity } from "./pipeline-identity.ts";

test("the same sources have the same name", async () => {
  expect(await pipelineIdentity()).toMatch(/^[0-9a-f]{64}$/);
  expect(await pipelineIdentity()).toBe(await pipelineIdentity());
});
