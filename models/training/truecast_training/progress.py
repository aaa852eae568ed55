"""A progress line on standard error, with the time left."""

import sys
import time


class Progress:
    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.started, self.shown = what, total, time.monotonic(), 0.0
        self.first: int = -1

    def show(self, done: int, note: str = "") -> None:
        """Shows that `done` of the total are done; what was done before the first call does not count as speed."""
        now = time.monotonic()
        if self.first < 0:
            self.first, self.started = done, now
        every = 0.2 if sys.stderr.isatty() else 20.0
        if now - self.shown < every and done < self.total:
            return
        self.shown = now
        gained = done - self.first
        left = (now - self.started) / gained * (self.total - done) if gained > 0 else None
        time_left = "" if left is None else f", {int(left // 60)} min {int(left % 60)} s left"
        end = "" if sys.stderr.isatty() else "\n"
        sys.stderr.write(f"\r\x1b[K{self.what}: {done} of {self.total}{time_left}{', ' + note if note else ''}{end}" if not end else f"{self.what}: {done} of {self.total}{time_left}{', ' + note if note else ''}\n")
        sys.stderr.flush()

    def end(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\n")
