/** What lies over the picture of a stream that is not live: what is going on, since when, and what to do. */
import type { Source, Stream } from "../../../daemon/protocol.ts";
import { useReady } from "../use-live.ts";
import { PROTOCOL_LABELS, SOURCE_STATE_LABELS, STATE_LABELS, STATE_SENTENCES } from "../wording.ts";
import { Age } from "./age.tsx";
import { StateIcon } from "./icons.tsx";

export function TileCover({ stream }: { stream: Stream }) {
  const rtmpUrl = useReady((state) => state.system.rtmpUrl);
  if (stream.state === "live") return null;
  return (
    <div className="cover" data-state={stream.state}>
      <span className="cover-title">
        <StateIcon state={stream.state} />
        {STATE_LABELS[stream.state]}
        {stream.state === "waiting" && (stream.source === null ? " for a publisher" : " for its source")}
      </span>
      <span className="cover-detail">
        {stream.source !== null && stream.state !== "failed" ? (
          <SourceWord source={stream.source} />
        ) : stream.state === "waiting" ? (
          <>
            <code>{rtmpUrl}</code> with its stream key
          </>
        ) : stream.stateReason === null ? (
          STATE_SENTENCES[stream.state]
        ) : (
          <>
            <code>{stream.stateReason.code}</code> {stream.stateReason.message}
          </>
        )}
      </span>
      {(stream.state !== "waiting" || stream.source !== null) && (
        <span className="cover-age">
          for <Age since={stream.stateSince} />
        </span>
      )}
    </div>
  );
}

/** What a pulled stream's source is at, and what stands against it. */
function SourceWord({ source }: { source: Source }) {
  return (
    <>
      {PROTOCOL_LABELS[source.kind]} <code>{source.address}</code> {SOURCE_STATE_LABELS[source.state]}
      {source.reason !== null && (
        <>
          : <code>{source.reason.code}</code> {source.reason.message}
        </>
      )}
    </>
  );
}
