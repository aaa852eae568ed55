/** The built dashboard on the real daemon in a real Chromium: publish with ffmpeg, see the score move, see an alert appear. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { faceVideo, publish, startDaemonProcess } from "../daemon/testing/daemon-process.ts";
import { launchChromium } from "./testing/browser.ts";

test("a newcomer publishes, sees the picture, a moving score and an alert", { timeout: 120_000 }, async () => {
  expect(existsSync(new URL("dist/index.html", import.meta.url)), "the dashboard is built by the set-up").toBe(true);
  await using daemon = await startDaemonProcess({ streams: [{ name: "demo-forged", key: "forged-key-1" }], alerts: { dwellMs: 0 } });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1366, height: 768 } });
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    await page.goto(`${daemon.httpUrl}/`);
    const tile = page.locator('a.tile[data-stream="demo-forged"]');
    await tile.and(page.locator('[data-state="waiting"]')).waitFor();
    await page.getByText("Scripted demonstration").waitFor();

    await using _publisher = publish(await faceVideo(), `${daemon.rtmpUrl}/forged-key-1`);
    await tile.and(page.locator('[data-state="live"]')).waitFor({ timeout: 20_000 });
    await tile.and(page.locator('[data-verdict="uncertain"]')).waitFor({ timeout: 20_000 });
    await tile.and(page.locator('[data-verdict="manipulated"]')).waitFor({ timeout: 20_000 });
    await page.locator('.alert[data-state="firing"]').first().waitFor({ timeout: 20_000 });
    const picture = tile.locator("img");
    await expect.poll(() => picture.evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBeGreaterThan(100);

    await tile.press("Enter");
    await expect.poll(() => page.url()).toContain("#/streams/demo-forged");
    await expect.poll(() => page.locator(".chart").first().getAttribute("aria-label")).toMatch(/Face 1: latest \d+%/);
    expect(faults).toEqual([]);
  } finally {
    await browser.close();
  }
});
