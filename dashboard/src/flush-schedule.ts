/** When the page takes in what has changed: soon while it is seen, rarely while it is hidden, at once when it is seen again. */

/** Eyes cannot follow more than ten changes a second, and every flush lays out the page again. */
const VISIBLE_INTERVAL_MS = 100;
/** The title of a hidden tab must still say that an alert fires. */
const HIDDEN_INTERVAL_MS = 1000;

export type Visibility = Pick<Document, "hidden" | "addEventListener" | "removeEventListener">;

export function createFlushSchedule(page: Visibility): (flush: () => void) => void {
  return (flush) => {
    if (!page.hidden) {
      setTimeout(flush, VISIBLE_INTERVAL_MS);
      return;
    }
    const flushNow = (): void => {
      clearTimeout(timer);
      page.removeEventListener("visibilitychange", flushNow);
      flush();
    };
    const timer = setTimeout(flushNow, HIDDEN_INTERVAL_MS);
    page.addEventListener("visibilitychange", flushNow);
  };
}
