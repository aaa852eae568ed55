/** The boxes over a picture: one for each track, with its number and verdict. */
import type { ModelCard, Stream, Track } from "../../../daemon/protocol.ts";
import { formatPercent } from "../format.ts";
import { shownVerdict } from "../shown-verdict.ts";
import { VerdictIcon } from "./icons.tsx";

/** A track not seen for this long is drawn as carried, not as seen. */
const CARRIED_AFTER_MS = 1000;

export function FaceBoxes({ stream, model, large }: { stream: Stream; model: ModelCard; large: boolean }) {
  // With many faces the words would lie over each other; the table under the picture has them.
  const worded = large && stream.tracks.length <= 2;
  const newestSeenAt = Math.max(...stream.tracks.map((track) => track.lastSeenAt));
  return stream.tracks.map((track) => <FaceBox key={track.id} track={track} stream={stream} model={model} worded={worded} carried={newestSeenAt - track.lastSeenAt > CARRIED_AFTER_MS} />);
}

interface FaceBoxProps {
  readonly track: Track;
  readonly stream: Stream;
  readonly model: ModelCard;
  readonly worded: boolean;
  readonly carried: boolean;
}

function FaceBox({ track, stream, model, worded, carried }: FaceBoxProps) {
  const verdict = shownVerdict(track.verdict, stream.state, model);
  // Boxes may reach beyond the picture; what is outside would only be clipped with its label.
  const left = clamp(track.box.x);
  const top = clamp(track.box.y);
  const width = clamp(track.box.x + track.box.width) - left;
  const height = clamp(track.box.y + track.box.height) - top;
  const style = { left: percent(left), top: percent(top), width: percent(width), height: percent(height) };
  return (
    <div className="face" data-verdict={verdict.kind} data-carried={carried} style={style}>
      <span className="face-label" data-place={top > 0.12 ? "above" : "inside"} data-align={left > 0.7 ? "right" : "left"}>
        <VerdictIcon kind={verdict.kind} />
        <span>#{track.id}</span>
        {worded && <span className="face-word">{verdict.label}</span>}
        {verdict.score !== null && <b>{formatPercent(verdict.score)}</b>}
      </span>
    </div>
  );
}

function clamp(fraction: number): number {
  return Math.min(1, Math.max(0, fraction));
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)}%`;
}
