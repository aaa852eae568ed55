/** The score line of a stream over ten minutes: one series a face, over the model's verdict bands. */
import { useEffect, useMemo, useRef } from "react";
import type { ModelCard } from "../../../daemon/protocol.ts";
import { formatPercent, plural } from "../format.ts";
import { type ChartData, chartData } from "../score-history.ts";
import { createScorePlot, type ScorePlot } from "../score-plot.ts";
import { FULL_HORIZON_FRAMES, givesVerdicts } from "../shown-verdict.ts";
import { useTheme } from "../theme.ts";
import { useReady, useStale } from "../use-live.ts";
import { useServerNow } from "../use-now.ts";

export function ScoreChart({ name, model }: { name: string; model: ModelCard }) {
  const points = useReady((state) => state.histories.get(name)?.points);
  const nowMs = useServerNow();
  const theme = useTheme();
  const stale = useStale();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<ScorePlot | null>(null);
  const data = useMemo(() => chartData(points ?? [], FULL_HORIZON_FRAMES), [points]);
  const tracks = data.series.map((series) => series.track).join(" ");
  const { uncertain, suspicious, manipulated } = model.bands;
  const banded = givesVerdicts(model);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const created = createScorePlot(element, { tracks: tracks === "" ? [] : tracks.split(" ").map(Number), bands: banded ? { uncertain, suspicious, manipulated } : null });
    plot.current = created;
    const observer = new ResizeObserver(() => created.resize());
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.close();
      plot.current = null;
    };
    // The theme and the greying of old data are in the colours that the plot reads when it is made.
  }, [tracks, theme, stale, banded, uncertain, suspicious, manipulated]);

  useEffect(() => {
    plot.current?.draw(data, nowMs);
  }, [data, nowMs, tracks, theme, stale, banded, uncertain, suspicious, manipulated]);

  return (
    <>
      <div ref={host} className="chart" role="img" aria-label={spoken(data)} />
      {data.hiddenTracks > 0 && <p className="muted">{plural(data.hiddenTracks, "face")} seen earlier {data.hiddenTracks === 1 ? "is" : "are"} left out of the drawing.</p>}
    </>
  );
}

function spoken(data: ChartData): string {
  if (data.series.length === 0) return "No scores in the last ten minutes.";
  return data.series.map((series) => `Face ${series.track}: latest ${formatPercent(series.latest)}, highest ${formatPercent(series.highest)}.`).join(" ");
}

