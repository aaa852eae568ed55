/** Fault matrix (docs/operations.md): a disk that is full, and a data folder that another daemon holds. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { connectLive } from "../http/testing/live-client.ts";
import type { Alert, AlertPage, ServerMessage, SystemStatus } from "../protocol.ts";
import { freshEnvironment, publish, runCli, startDaemonProcess } from "../testing/daemon-process.ts";
import { SWINGING_ALERTS, twoFacesVideo, writeSwingingModel } from "./testing/alert-load.ts";
import { expectRecovery, until } from "./testing/recovery.ts";
import { examineStore } from "./testing/told-alerts.ts";

const run = promisify(execFile);
const TIMEOUT = { timeout: 120_000 };
const KEY = "camera-key-12";

/** No file of the process may be written past this many bytes: what a full disk is to it, without one, and for any user. */
async function limitFileSize(pid: number, bytes: number | "unlimited"): Promise<void> {
  await run("prlimit", ["--pid", `${pid}`, `--fsize=${bytes}:`]);
}

async function startSwinging() {
  const { TRUECAST_DATA_DIR: dataDir = "" } = await freshEnvironment();
  const modelsDir = join(dataDir, "..", "models");
  await writeSwingingModel(modelsDir, ["camera"]);
  const daemon = await startDaemonProcess({ streams: [{ name: "camera", key: KEY }], dataDir, inference: { model: "scripted", modelsDir }, alerts: SWINGING_ALERTS });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const client = await connectLive(daemon.httpUrl);
  onTestFinished(() => client.socket.terminate());
  const publisher = publish(await twoFacesVideo(), `${daemon.rtmpUrl}/${KEY}`);
  onTestFinished(() => publisher.close());
  const isAlert = (message: ServerMessage): message is Extract<ServerMessage, { type: "alert" }> => message.type === "alert";
  return { daemon, alertsTold: (): Alert[] => client.messages.filter(isAlert).map(({ alert }) => alert) };
}

test("a disk that fills up: alerts go out as unstored, the gap is told everywhere, and all of it is stored once there is room", TIMEOUT, async () => {
  const { daemon, alertsTold } = await startSwinging();
  await until(alertsTold, (alerts) => alerts.some(({ state }) => state === "firing"));
  expect(alertsTold().filter(({ unstored }) => unstored)).toEqual([]);

  await limitFileSize(daemon.pid, 1_024);
  await until(alertsTold, (alerts) => alerts.some(({ unstored, state }) => unstored === true && state === "firing"));
  const store = async () => (await daemon.get<SystemStatus>("/api/v1/system")).components["store"];
  await expectRecovery("disk full, told by readiness", 3, () => until(store, (component) => component?.state === "down"));
  expect((await fetch(`${daemon.httpUrl}/readyz`)).status).toBe(503);
  expect(await (await fetch(`${daemon.httpUrl}/metrics`)).text()).toMatch(/^truecast_alerts_unstored [1-9]/m);
  const unstored = alertsTold().findLast((alert) => alert.unstored === true && alert.state === "firing");
  const { alerts } = await daemon.get<AlertPage>("/api/v1/alerts");
  expect(alerts.find(({ id }) => id === unstored?.id)).toMatchObject({ unstored: true });
  expect(daemon.log.filter(({ code }) => code === "store-failed")).toHaveLength(1);

  await limitFileSize(daemon.pid, "unlimited");
  await expectRecovery("disk has room again, everything stored", 10, () => until(store, (component) => component?.state === "ready"));
  expect(alertsTold().findLast(({ id }) => id === unstored?.id)?.unstored).toBeUndefined();
  // Nothing that was told in the meantime is missing, though the process dies now.
  await daemon.stop("SIGKILL");
  const { damage, rows } = examineStore(join(daemon.dataDir, "truecast.db"));
  expect(damage).toEqual([]);
  expect(alertsTold().filter(({ id }) => !rows.has(id))).toEqual([]);
});

test("a disk that is full at the start is named, and nothing runs", TIMEOUT, async () => {
  const environment = await freshEnvironment();
  const full = await run("prlimit", ["--fsize=1024:", process.execPath, join(import.meta.dirname, "../cli/main.ts"), "start"], { env: { ...process.env, ...environment } }).then(
    () => ({ code: 0, stderr: "" }),
    (error: { code: number; stderr: string }) => error,
  );
  expect(full.code).toBe(1);
  expect(full.stderr).toContain("[store-failed]");
  expect(full.stderr).toContain(environment["TRUECAST_DATA_DIR"]);
});

test("a second daemon on the same data folder is refused, and the open alerts of the first stay open", TIMEOUT, async () => {
  const { daemon, alertsTold } = await startSwinging();
  await until(alertsTold, (alerts) => alerts.some(({ state }) => state === "firing"));
  const { rows: before } = examineStore(join(daemon.dataDir, "truecast.db"));
  const second = await runCli(["start"], { ...(await freshEnvironment()), TRUECAST_DATA_DIR: daemon.dataDir });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("[data-in-use]");
  expect(second.stderr).toContain(daemon.dataDir);
  const { rows: after } = examineStore(join(daemon.dataDir, "truecast.db"));
  expect(before.size).toBeGreaterThan(0);
  expect([...after.values()].filter(({ resolution }) => resolution === "daemon-restarted")).toEqual([]);
});
