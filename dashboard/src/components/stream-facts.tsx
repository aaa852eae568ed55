/** What is known of a stream besides its verdict: what comes in, what is analysed, what is left out. */
import type { Stream } from "../../../daemon/protocol.ts";
import { formatBitrate, formatCount, formatDuration, formatFps, formatLatency, formatPercent, formatSize } from "../format.ts";
import { PROTOCOL_LABELS, SOURCE_STATE_LABELS } from "../wording.ts";
import { Age } from "./age.tsx";

export function StreamFacts({ stream }: { stream: Stream }) {
  const { publisher, source, frames } = stream;
  const coverage = stream.verdict.kind === "unscored" ? null : stream.verdict.coverage;
  return (
    <section className="panel" aria-label="Facts of the stream">
      <dl className="facts">
        <Fact term="Source">{publisher === null ? (source === null ? "no publisher" : PROTOCOL_LABELS[source.kind]) : `${PROTOCOL_LABELS[publisher.protocol]}, ${publisher.videoCodec ?? "codec unknown"}`}</Fact>
        {source !== null && (
          <Fact term="Pulled from" title={source.reason?.message ?? source.address} warn={source.state !== "connected"}>
            {source.address}, {SOURCE_STATE_LABELS[source.state]}
          </Fact>
        )}
        <Fact term="Picture">{formatSize(publisher?.widthPx ?? null, publisher?.heightPx ?? null)}</Fact>
        <Fact term="Bit rate">{formatBitrate(publisher?.bitrateKbps ?? null)}</Fact>
        <Fact term="Publishing for">{publisher === null ? "–" : <Age since={publisher.connectedAt} />}</Fact>
        <Fact term="Analysed" warn={stream.state === "live" && stream.analysedFps < stream.samplingFps * 0.8}>
          {formatFps(stream.analysedFps)} of {formatFps(stream.samplingFps)} fps
        </Fact>
        <Fact term="Frame age" title="Decode to score of the newest scored frame">
          {formatLatency(stream.frameAgeMs)}
        </Fact>
        <Fact term="Coverage" title="Share of the window that held a usable crop">
          {coverage === null ? "–" : formatPercent(coverage)}
        </Fact>
        <Fact term="No face for">{stream.facelessSeconds < 1 ? "–" : formatDuration(stream.facelessSeconds * 1000)}</Fact>
        <Fact term="Decoded">{formatCount(frames.decoded)} frames</Fact>
        <Fact term="Discarded" title="Left out on purpose, to stay current" warn={frames.discarded > 0}>
          {formatCount(frames.discarded)}
        </Fact>
        <Fact term="Lost" title="Never decoded: corrupt or cut off" warn={frames.lost > 0}>
          {formatCount(frames.lost)}
        </Fact>
        <Fact term="In this state">
          <Age since={stream.stateSince} />
        </Fact>
      </dl>
    </section>
  );
}

function Fact({ term, children, title, warn = false }: { term: string; children: React.ReactNode; title?: string; warn?: boolean }) {
  return (
    <div className="fact" data-warn={warn} title={title}>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
