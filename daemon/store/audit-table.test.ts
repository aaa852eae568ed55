import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { createAuditTable } from "./audit-table.ts";
import { openStore } from "./store.ts";

test("what was done to one object is found without reading the whole record", async () => {
  const folder = mkdtempSync(join(tmpdir(), "truecast-audit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "truecast.db");
  await openStore({ path, log: pino({ level: "silent" }) }).close();
  const database = new DatabaseSync(path);
  onTestFinished(() => database.close());
  const asked: string[] = [];
  const prepare = database.prepare.bind(database);
  database.prepare = (sql) => {
    asked.push(sql);
    return prepare(sql);
  };
  const table = createAuditTable(database, { read: (work) => work(), write: (work) => work() });
  for (let number = 0; number < 3; number++) table.appendAudit({ at: number, actor: "a", actorName: "a", address: null, action: "x.y", object: `alert:${number}`, detail: {} });
  expect(table.auditPage({ object: "alert:1", before: 3, limit: 10 }).entries).toMatchObject([{ seq: 2, object: "alert:1" }]);
  const plan = prepare(`EXPLAIN QUERY PLAN ${asked.at(-1)}`).all({ object: "alert:1", before: 3, limit: 10 }).map(({ detail }) => String(detail));
  expect(plan).toEqual([expect.stringContaining("USING INDEX audit_by_object (object=? AND seq<?)")]);
});
