/** Fault matrix (docs/operations.md): a port that another program holds. */
import { mkdir, mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freshEnvironment, runCli } from "../testing/daemon-process.ts";
import { processesIn } from "../testing/processes.ts";
import { tell } from "./testing/recovery.ts";

/** @returns the port, held until the test is over */
async function heldPort(transport: "tcp" | "udp"): Promise<number> {
  if (transport === "tcp") {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTestFinished(() => void socket.close());
  return socket.address().port;
}

test.each([
  { port: "HTTP", name: "TRUECAST_HTTP_PORT", transport: "tcp" },
  { port: "RTMP", name: "TRUECAST_RTMP_PORT", transport: "tcp" },
  { port: "WHIP", name: "TRUECAST_WHIP_PORT", transport: "tcp" },
  { port: "WHIP media", name: "TRUECAST_WHIP_UDP_PORT", transport: "udp" },
] as const)("a taken $port port is named, and nothing is left of the start", { timeout: 60_000 }, async ({ name, transport }) => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "truecast-ports-")));
  onTestFinished(() => rm(folder, { recursive: true }));
  const temporary = join(folder, "tmp");
  await mkdir(temporary);
  const port = await heldPort(transport);
  const outcome = await runCli(["start"], { ...(await freshEnvironment()), TMPDIR: temporary, [name]: `${port}` }, folder);
  tell(`${name} taken: ended after ${outcome.seconds.toFixed(1)} s`);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain(`127.0.0.1:${port}`);
  expect(outcome.stderr).toContain("[port-in-use]");
  expect(processesIn(folder)).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
});
