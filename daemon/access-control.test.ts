/** Access on the real daemon: tokens made and revoked on the command line while it runs, and the open loopback port that the first one closes. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { expect, onTestFinished, test } from "vitest";
import type { AuditPage } from "./access-protocol.ts";
import { runCli, startDaemonProcess } from "./testing/daemon-process.ts";

test("a token made and revoked on the command line counts in the running daemon", { timeout: 90_000 }, async () => {
  await using daemon = await startDaemonProcess({ streams: [{ name: "studio", key: "studio-key-1" }, { name: "guest", key: "guest-key-12" }] });
  const environment = { TRUECAST_DATA_DIR: daemon.dataDir };
  const status = async (secret: string | null, path = "/api/v1/streams"): Promise<number> => (await fetch(`${daemon.httpUrl}${path}`, secret === null ? {} : { headers: { authorization: `Bearer ${secret}` } })).status;
  expect(await status(null)).toBe(200);

  const made = await runCli(["token", "create", "ops", "--role", "admin", "--expires", "1d"], environment);
  const admin = made.stdout.trim();
  expect([made.code, admin]).toEqual([0, expect.stringMatching(/^tc_[0-9A-Za-z]{49}$/)]);
  expect(made.stderr).not.toContain(admin);
  expect([await status(null), await status(admin)]).toEqual([401, 200]);

  const publisher = (await runCli(["token", "create", "encoder", "--role", "publisher", "--streams", "guest"], environment)).stdout.trim();
  const access = await fetch(`${daemon.httpUrl}/api/v1/streams/guest/publish`, { headers: { authorization: `Bearer ${publisher}` } });
  expect(await access.json()).toEqual({ stream: "guest", key: "guest-key-12", rtmpUrl: daemon.rtmpUrl, rtmpsUrl: null, whipUrl: `${daemon.whipUrl}/guest` });
  expect([await status(publisher), await status(publisher, "/api/v1/streams/studio/publish")]).toEqual([403, 404]);

  const viewer = (await runCli(["token", "create", "wall", "--role", "viewer"], environment)).stdout.trim();
  const socket = new WebSocket(`${daemon.httpUrl.replace("http", "ws")}/api/v1/live`, { headers: { authorization: `Bearer ${viewer}` } });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  await new Promise((resolve) => socket.once("message", resolve));
  const revoked = await runCli(["token", "revoke", "wall"], environment);
  expect([revoked.code, await closed, await status(viewer)]).toEqual([0, 1008, 401]);

  const list = await runCli(["token", "list"], environment);
  expect(list.stdout).toMatch(/ revoked  "wall", viewer, all streams, does not expire, last used about /);
  expect(list.stdout).toMatch(/ active   "ops", admin, all streams, expires /);
  for (const secret of [admin, publisher, viewer]) expect(list.stdout + JSON.stringify(daemon.log)).not.toContain(secret);

  const audit = (await (await fetch(`${daemon.httpUrl}/api/v1/audit`, { headers: { authorization: `Bearer ${admin}` } })).json()) as AuditPage;
  expect(audit.entries.map(({ action, actor, object }) => `${action} ${actor.split(":")[0] ?? ""} ${object.split(":")[0] ?? ""}`)).toEqual([
    "token.revoked command-line token",
    "token.created command-line token",
    "stream-key.read token stream",
    "token.created command-line token",
    "token.created command-line token",
  ]);
});

test("a configured token is an administrator's, and can hand out others", { timeout: 60_000 }, async () => {
  const { dataDir, file } = await configuredToken();
  await using daemon = await startDaemonProcess({ dataDir, http: { port: 0, tokenFile: file } });
  const answer = await fetch(`${daemon.httpUrl}/api/v1/tokens`, {
    method: "POST",
    headers: { authorization: "Bearer a-secret-that-people-chose", "content-type": "application/json" },
    body: JSON.stringify({ name: "grafana", role: "viewer" }),
  });
  expect([answer.status, await answer.json()]).toEqual([201, expect.objectContaining({ secret: expect.stringMatching(/^tc_/) as string })]);
  expect((await fetch(`${daemon.httpUrl}/api/v1/streams`)).status).toBe(401);
});

test.each([
  [["create", "x", "--role", "root"], /--role is "root" but must be one of viewer, reviewer, admin, publisher \[request-invalid\]/],
  [["create", "x", "--role", "viewer", "--streams", "a,,b"], /--streams is "a,,b" but must be stream names/],
  [["create", "x", "--role", "viewer", "--expires", "soon"], /--expires is "soon" but must be a duration/],
  [["create", "x", "--role", "publisher"], /name those it may publish/],
  [["create", "bell\u0007", "--role", "viewer"], /the name is .* no control characters/],
  [["revoke", "nobody"], /no active token has the id or name "nobody" \[not-found\]/],
])("token %j is refused in one line", { timeout: 60_000 }, async (args, message) => {
  const { dataDir } = await configuredToken();
  const { code, stdout, stderr } = await runCli(["token", ...args], { TRUECAST_DATA_DIR: dataDir });
  expect([code, stdout, stderr.split("\n").length]).toEqual([1, "", 2]);
  expect(stderr).toMatch(message);
});

async function configuredToken(): Promise<{ dataDir: string; file: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), "truecast-access-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const file = join(dataDir, "configured-token");
  await writeFile(file, "a-secret-that-people-chose\n");
  return { dataDir, file };
}
