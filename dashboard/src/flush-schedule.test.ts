/** How soon changes reach the page, seen and hidden. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createFlushSchedule } from "./flush-schedule.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function hiddenPage() {
  return Object.assign(new EventTarget(), { hidden: true });
}

it("flushes within a tenth of a second while the page is seen", () => {
  const flush = vi.fn();
  createFlushSchedule(Object.assign(hiddenPage(), { hidden: false }))(flush);
  expect(flush).not.toHaveBeenCalled();
  vi.advanceTimersByTime(100);
  expect(flush).toHaveBeenCalledTimes(1);
});

it("flushes once a second while the page is hidden", () => {
  const flush = vi.fn();
  const schedule = createFlushSchedule(hiddenPage());
  for (let second = 1; second <= 3; second++) {
    schedule(flush);
    vi.advanceTimersByTime(999);
    expect(flush).toHaveBeenCalledTimes(second - 1);
    vi.advanceTimersByTime(1);
    expect(flush).toHaveBeenCalledTimes(second);
  }
});

it("flushes at once when a hidden page is seen again, and only once", () => {
  const flush = vi.fn();
  const page = hiddenPage();
  createFlushSchedule(page)(flush);
  page.hidden = false;
  page.dispatchEvent(new Event("visibilitychange"));
  expect(flush).toHaveBeenCalledTimes(1);
  page.dispatchEvent(new Event("visibilitychange"));
  vi.advanceTimersByTime(5000);
  expect(flush).toHaveBeenCalledTimes(1);
});
