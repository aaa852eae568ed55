/** Numbers, durations and times as people read them. */

const UNKNOWN = "–";

/** A probability as whole percent; never rounds up to 100 or down to 0 what is not exactly that. */
export function formatPercent(probability: number): string {
  const percent = Math.round(probability * 100);
  if (percent === 100 && probability < 1) return "99%";
  if (percent === 0 && probability > 0) return "1%";
  return `${percent}%`;
}

/** How long something has lasted: `42 s`, `3:05 min`, `2 h 05 min`, `3 d 4 h`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, "0")} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Time of day, with the date in front when it is not today's. */
export function formatClock(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const clock = at.toLocaleTimeString("en-GB", { hour12: false });
  return at.toDateString() === new Date(nowMs).toDateString() ? clock : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock}`;
}

export function formatBitrate(kbps: number | null): string {
  if (kbps === null) return UNKNOWN;
  return kbps < 1000 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1000).toFixed(1)} Mbit/s`;
}

/** Latencies: whole milliseconds, seconds from one second up. */
export function formatLatency(latencyMs: number | null): string {
  if (latencyMs === null) return UNKNOWN;
  return latencyMs < 1000 ? `${Math.round(latencyMs)} ms` : `${(latencyMs / 1000).toFixed(1)} s`;
}

export function formatFps(fps: number): string {
  return fps < 9.95 && fps % 1 !== 0 ? fps.toFixed(1) : String(Math.round(fps));
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

export function formatSize(widthPx: number | null, heightPx: number | null): string {
  return widthPx === null || heightPx === null ? UNKNOWN : `${widthPx} × ${heightPx}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
