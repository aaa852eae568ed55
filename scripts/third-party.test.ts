import { expect, test } from "vitest";
import { collectNotices, unaccepted, writtenNotices } from "./third-party.ts";

test("every package that ships has a licence that is accepted", { timeout: 60_000 }, async () => {
  const notices = await collectNotices();
  expect(notices.length).toBeGreaterThan(50);
  expect(unaccepted(notices).map(({ name, licence }) => `${name}: ${licence}`)).toEqual([]);
});

test("THIRD_PARTY_NOTICES.md lists what ships; `npm run notices` writes it anew", { timeout: 60_000 }, async () => {
  const written = writtenNotices();
  const missing = (await collectNotices()).filter(({ name, version, licence }) => !written.includes(`| ${name} | ${version} | ${licence} |`));
  expect(missing).toEqual([]);
});
