/** The publish page in a real Chromium with a camera that shows a face, against the real daemon. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { type DaemonProcess, faceVideo, publish, startDaemonProcess } from "../daemon/testing/daemon-process.ts";
import type { Stream } from "../daemon/protocol.ts";
import { type CameraBrowser, startCameraBrowser } from "./testing/camera-browser.ts";

const KEYS = { studio: "studio-secret-key-1", desk: "desk-secret-key-1" } as const;
type Name = keyof typeof KEYS;

let daemon: DaemonProcess;
let camera: CameraBrowser;
beforeAll(async () => {
  [daemon, camera] = await Promise.all([startDaemonProcess({ streams: Object.entries(KEYS).map(([name, key]) => ({ name, key })), rtmp: { port: 0, graceMs: 0 } }), startCameraBrowser("face")]);
}, 60_000);
afterAll(async () => {
  await camera[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const until = { timeout: 30_000, interval: 25 };
const streamNow = async (name: Name): Promise<Stream> => (await daemon.get<{ stream: Stream }>(`/api/v1/streams/${name}`)).stream;
const publisherOf = async (name: Name): Promise<string | null> => (await streamNow(name)).publisher?.protocol ?? null;

async function openPage(hash: string, { browser } = camera): Promise<{ readonly page: Page; readonly faults: string[]; readonly urls: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1366, height: 768 } });
  const faults: string[] = [];
  const urls: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(`${message.text()} ${message.location().url}`);
  });
  page.on("request", (request) => urls.push(request.url()));
  await page.goto(`${daemon.httpUrl}/${hash}`);
  return { page, faults, urls };
}

/** Small pictures: this machine encodes, decodes and analyses them at once. */
async function chooseSmallPicture(page: Page): Promise<void> {
  await page.getByLabel("Picture").selectOption("640 × 360");
  await page.getByLabel("Frames a second").selectOption("15");
}

async function goOnAir(page: Page, name: Name): Promise<void> {
  await chooseSmallPicture(page);
  await page.getByLabel("Stream key").fill(KEYS[name]);
  await page.getByRole("button", { name: "Start publishing" }).click();
  await page.getByRole("status").getByText(`On air: ${name}`).waitFor();
}

test("a newcomer is told of a wrong key, publishes the camera, sees its score beside it and on the stream's page, and stops", async () => {
  const { page, faults, urls } = await openPage("#/");
  await page.getByRole("link", { name: "Publish from this browser" }).click();
  await page.getByRole("heading", { level: 1, name: "Publish from this browser" }).waitFor();
  await page.getByRole("combobox", { name: "Stream" }).selectOption("studio");
  await chooseSmallPicture(page);
  await page.getByLabel("Stream key").fill(KEYS.desk);
  await page.getByRole("button", { name: "Start publishing" }).click();
  await page.getByRole("alert").getByText("The stream key is wrong.").waitFor();
  expect(faults.splice(0)).toEqual([expect.stringContaining("401")]);

  // The preview has stayed, and the keyboard alone goes on.
  const preview = page.getByLabel("Preview of your camera");
  await expect.poll(() => preview.evaluate((video) => (video as HTMLVideoElement).videoWidth), until).toBe(640);
  await page.getByLabel("Stream key").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type(KEYS.studio);
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("On air: studio").waitFor();
  const says = page.getByRole("region", { name: "What Truecast says of studio" });
  await says.getByText(/^\d+%$/).waitFor({ timeout: 60_000 });
  expect(await streamNow("studio")).toMatchObject({ state: "live", publisher: { protocol: "whip" } });
  expect(await page.getByLabel("Stream key").isDisabled()).toBe(true);

  // Publishing goes on while its stream's page is looked at.
  await says.getByRole("link", { name: "All about studio" }).click();
  await page.getByRole("heading", { level: 1, name: "studio" }).waitFor();
  await page.getByRole("link", { name: "Publishing studio" }).click();
  expect(await publisherOf("studio")).toBe("whip");

  await page.getByRole("button", { name: "Stop publishing" }).press("Enter");
  const stoppedMs = performance.now();
  await expect.poll(() => publisherOf("studio"), until).toBe(null);
  expect(performance.now() - stoppedMs).toBeLessThan(1_000);
  await page.getByRole("status").getByText("Not on air.").waitFor();
  expect(await page.getByRole("button", { name: "Start publishing" }).evaluate((button) => button === document.activeElement)).toBe(true);
  expect(await page.locator(".publish-problem").count()).toBe(0);
  expect(urls.filter((url) => Object.values(KEYS).some((key) => url.includes(key)))).toEqual([]);
  expect(page.url()).not.toContain("secret");
  expect(faults).toEqual([]);
  await page.close();
}, 150_000);

test("a closed tab, and one that leads elsewhere, free the stream within a second", async () => {
  for (const leave of [(page: Page) => page.close({ runBeforeUnload: true }), (page: Page) => page.goto("about:blank")]) {
    const { page } = await openPage("#/publish/studio");
    await goOnAir(page, "studio");
    await expect.poll(() => publisherOf("studio"), until).toBe("whip");
    const leftMs = performance.now();
    await leave(page);
    await expect.poll(() => publisherOf("studio"), until).toBe(null);
    expect(performance.now() - leftMs).toBeLessThan(1_000);
    if (!page.isClosed()) await page.close();
  }
}, 120_000);

test("a stream that someone else publishes is named as such", async () => {
  await using _obs = publish(await faceVideo(), `${daemon.rtmpUrl}/${KEYS.desk}`);
  await expect.poll(() => publisherOf("desk"), until).toBe("rtmp");
  const { page } = await openPage("#/publish/desk");
  await chooseSmallPicture(page);
  await page.getByLabel("Stream key").fill(KEYS.desk);
  await page.getByRole("button", { name: "Start publishing" }).click();
  await page.getByRole("alert").getByText("Someone else is publishing to this stream.").waitFor();
  await page.close();
}, 90_000);

test("after the ingest process was killed the page reconnects by itself", async () => {
  const { page } = await openPage("#/publish/studio");
  await goOnAir(page, "studio");
  process.kill(daemon.childPid("ingest"), "SIGKILL");
  await page.getByRole("status").getByText("Reconnecting studio by itself.").waitFor({ timeout: 20_000 });
  await page.getByRole("alert").getByText("The connection was lost.").waitFor();
  await page.getByRole("status").getByText("On air: studio").waitFor({ timeout: 60_000 });
  await expect.poll(async () => (await streamNow("studio")).state, until).toBe("live");
  await page.close();
}, 120_000);

test("a screen is published like a camera", async () => {
  const { page } = await openPage("#/publish/desk");
  await page.getByLabel("Screen, window or tab").check();
  await goOnAir(page, "desk");
  await page.getByLabel("Preview of your screen").waitFor();
  await expect.poll(() => publisherOf("desk"), until).toBe("whip");
  await page.getByRole("button", { name: "Stop publishing" }).click();
  await expect.poll(() => publisherOf("desk"), until).toBe(null);
  await page.close();
}, 90_000);

test.each([
  ["denied", "The browser may not use the camera."],
  ["absent", "No camera was found."],
] as const)("a camera that is %s is explained", async (kind, words) => {
  await using other = await startCameraBrowser(kind);
  const { page } = await openPage("#/publish", other);
  await page.getByRole("button", { name: "Preview first" }).click();
  await page.getByRole("alert").getByText(words).waitFor();
}, 60_000);
