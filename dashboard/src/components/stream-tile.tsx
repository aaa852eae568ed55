/** One stream on the wall: picture, tally, name, verdict, score line and what is amiss. */
import { memo } from "react";
import type { ModelCard, Stream } from "../../../daemon/protocol.ts";
import { formatFps, formatLatency, formatPercent, plural } from "../format.ts";
import { hrefOf } from "../route.ts";
import { FULL_HORIZON_FRAMES, givesVerdicts, type ShownVerdict, shownVerdict } from "../shown-verdict.ts";
import { useReady } from "../use-live.ts";
import { PROTOCOL_LABELS, STATE_LABELS } from "../wording.ts";
import { AlertIcon } from "./icons.tsx";
import { Picture } from "./picture.tsx";
import { Sparkline } from "./sparkline.tsx";
import { StateChip } from "./state-chip.tsx";
import { TileCover } from "./tile-cover.tsx";
import { VerdictLabel } from "./verdict-label.tsx";

interface StreamTileProps {
  readonly name: string;
  /** One tile of the wall is in the tab order; arrow keys move between them. */
  readonly tabIndex: 0 | -1;
  readonly onFocus: (name: string) => void;
}

export const StreamTile = memo(function StreamTile({ name, tabIndex, onFocus }: StreamTileProps) {
  const stream = useReady((state) => state.streams.get(name));
  const model = useReady((state) => state.model);
  if (stream === undefined) return null;
  const verdict = shownVerdict(stream.verdict, stream.state, model);
  return (
    <a
      className="tile"
      href={hrefOf({ kind: "stream", name })}
      data-stream={name}
      data-state={stream.state}
      data-verdict={verdict.kind}
      data-firing={stream.firingAlerts > 0}
      tabIndex={tabIndex}
      aria-label={spoken(stream, verdict)}
      onFocus={() => onFocus(name)}
    >
      <div className="tile-picture">
        <Picture stream={stream} model={model} />
        <TileCover stream={stream} />
        <div className="tile-chips">
          {stream.state === "live" ? <StateChip state="live" /> : <span />}
          {stream.firingAlerts > 0 && (
            <span className="alert-chip">
              <AlertIcon state="firing" />
              {plural(stream.firingAlerts, "alert")}
            </span>
          )}
        </div>
      </div>
      <div className="tile-umd">
        <span className="tile-name">{name}</span>
        <VerdictLabel verdict={verdict} />
        <TileScore verdict={verdict} />
      </div>
      <Sparkline name={name} bands={givesVerdicts(model) ? model.bands : null} />
      <TileFoot stream={stream} model={model} verdict={verdict} />
    </a>
  );
});

function TileScore({ verdict }: { verdict: ShownVerdict }) {
  if (verdict.score !== null) {
    return (
      <span className="tile-score" data-verdict={verdict.kind}>
        {formatPercent(verdict.score)}
      </span>
    );
  }
  return <span className="tile-score tile-score-raw">{verdict.rawScore === null ? "–" : `raw ${formatPercent(verdict.rawScore)}`}</span>;
}

function TileFoot({ stream, model, verdict }: { stream: Stream; model: ModelCard; verdict: ShownVerdict }) {
  return (
    <div className="tile-foot">
      <span className="tile-note" data-reason={verdict.sentence !== null}>{note(stream, model, verdict)}</span>
      {stream.state === "live" && (
        <span className="tile-figures">
          {stream.frameAgeMs !== null && <span title="Frame age: decode to score">{formatLatency(stream.frameAgeMs)}</span>}
          <span title="Frames analysed a second">{formatFps(stream.analysedFps)} fps</span>
        </span>
      )}
    </div>
  );
}

function note(stream: Stream, model: ModelCard, verdict: ShownVerdict): string {
  // The cover over the picture already says what is going on.
  if (stream.state !== "live" && stream.source !== null) return `Pulled over ${PROTOCOL_LABELS[stream.source.kind]}`;
  if (stream.state !== "live") return stream.publisher === null ? "No publisher" : `Publisher on ${PROTOCOL_LABELS[stream.publisher.protocol]}`;
  if (verdict.provisionalFrames !== null) return `Provisional: ${verdict.provisionalFrames} of ${model.window} frames`;
  if (verdict.sentence !== null) return verdict.sentence;
  return plural(stream.tracks.length, "face");
}

function spoken(stream: Stream, verdict: ShownVerdict): string {
  const parts = [stream.name, STATE_LABELS[stream.state], verdict.label];
  if (verdict.score !== null) parts.push(`probability of manipulation ${formatPercent(verdict.score)}`);
  if (verdict.provisionalFrames !== null) parts.push(`provisional, ${verdict.provisionalFrames} of ${FULL_HORIZON_FRAMES} frames`);
  if (verdict.sentence !== null) parts.push(verdict.sentence);
  if (stream.firingAlerts > 0) parts.push(`${plural(stream.firingAlerts, "alert")} firing`);
  return parts.join(", ");
}
