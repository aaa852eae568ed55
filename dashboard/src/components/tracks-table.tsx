/** The faces of a stream: verdict, score, what the score rests on, and how long each has been followed. */
import type { ModelCard, Stream, Track } from "../../../daemon/protocol.ts";
import { formatPercent } from "../format.ts";
import { shownVerdict } from "../shown-verdict.ts";
import { Age } from "./age.tsx";
import { VerdictLabel } from "./verdict-label.tsx";

export function TracksTable({ stream, model }: { stream: Stream; model: ModelCard }) {
  if (stream.tracks.length === 0) return <p className="muted">No face is being followed.</p>;
  return (
    <div className="table-scroll">
      {/* Roles are spelled out, because on a phone the rows are laid out as a grid. */}
      <table className="tracks" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th scope="col">Face</th>
            <th scope="col">Verdict</th>
            <th scope="col" className="number">
              Score
            </th>
            <th scope="col">Rests on</th>
            <th scope="col" className="number followed">
              Followed for
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {stream.tracks.map((track) => (
            <TrackRow key={track.id} track={track} stream={stream} model={model} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function TrackRow({ track, stream, model }: { track: Track; stream: Stream; model: ModelCard }) {
  const verdict = shownVerdict(track.verdict, stream.state, model);
  return (
    <tr role="row">
      <th scope="row" role="rowheader">#{track.id}</th>
      <td role="cell">
        <VerdictLabel verdict={verdict} />
      </td>
      <td role="cell" className="number">
        {verdict.score !== null && <b>{formatPercent(verdict.score)}</b>}
        {verdict.score === null && (verdict.rawScore === null ? "–" : <span className="muted">raw {formatPercent(verdict.rawScore)}</span>)}
      </td>
      <td role="cell" className="rests">
        {verdict.sentence ?? `${verdict.provisionalFrames ?? model.window} of ${model.window} frames${verdict.provisionalFrames === null ? "" : ", provisional"}${verdict.coverage === null ? "" : `, ${formatPercent(verdict.coverage)} covered`}`}
      </td>
      <td role="cell" className="number followed">
        <Age since={track.firstSeenAt} until={track.lastSeenAt} />
      </td>
    </tr>
  );
}
