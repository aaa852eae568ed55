/** The receivers of docs/webhooks.md, as they are printed there, take what Truecast sends and nothing else. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { createReceivers } from "../receivers.ts";
import type { Sender } from "./receiver.ts";
import { alert, T, uuid } from "./testing/outbox.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/webhooks.md"), "utf8");

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function senderTo(port: number, secret: string): Sender {
  const [receiver] = createReceivers({
    configured: [{ type: "webhook", name: "desk", url: new URL(`http://127.0.0.1:${port}/`), secrets: [secret], streams: null, rules: null, kinds: null }],
    config: { delivery: { answerTimeoutMs: 5_000, giveUpAfterMs: 1e9 }, outbound: { allow: ["127.0.0.1"] }, http: { publicUrl: null } },
  });
  if (receiver === undefined) throw new Error("no receiver");
  return receiver.sender;
}

test.each([
  ["js", "mjs", process.execPath],
  ["python", "py", "python3"],
])("the example in %s verifies, and tells a repeated event from a new one", async (language, extension, command) => {
  // Inside the tree, so that the example finds its package.
  const folder = mkdtempSync(join(root, "node_modules/.example-"));
  const file = join(folder, `receiver.${extension}`);
  writeFileSync(file, page.split(`\`\`\`${language}\n`)[1]?.split("```")[0] ?? "");
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const port = await freePort();
  const child: ChildProcess = spawn(command, [file], { env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: secret }, stdio: ["ignore", "pipe", "inherit"] });
  const sender = senderTo(port, secret);
  onTestFinished(async () => {
    sender.close();
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(folder, { recursive: true, force: true });
  });
  if (child.stdout === null) throw new Error("no output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => (await lines.next()).value;
  expect(await next()).toBe("listening");

  const { signal } = new AbortController();
  const events = [{ seq: 1, id: uuid(1, 5), kind: "new", at: T, alert: alert(1) } as const];
  expect(await senderTo(port, `whsec_${randomBytes(32).toString("base64")}`).send(events, signal)).toMatchObject({ kind: "failed", message: `127.0.0.1:${port} answered 401` });
  for (let i = 0; i < 2; i++) expect(await sender.send(events, signal)).toEqual({ kind: "delivered" });
  expect(await sender.test(uuid(2, 5), signal)).toEqual({ kind: "delivered" });
  expect([await next(), await next()]).toEqual(["io.truecast.alert.new studio-a", "io.truecast.receiver.test A test from Truecast. Nothing was detected."]);
});
