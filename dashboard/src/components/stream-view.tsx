/** One stream in full: picture, verdict, facts, score line, tracks and alerts. */
import { useEffect, useMemo, useRef } from "react";
import type { ModelCard, Stream } from "../../../daemon/protocol.ts";
import { hrefOf } from "../route.ts";
import { shownVerdict } from "../shown-verdict.ts";
import { useEscape } from "../use-escape.ts";
import { useReady } from "../use-live.ts";
import { AlertList } from "./alert-list.tsx";
import { BackLink } from "./back-link.tsx";
import { ForwardIcon, BackIcon } from "./icons.tsx";
import { Picture } from "./picture.tsx";
import { PublishGuide } from "./publish-guide.tsx";
import { ScoreChart } from "./score-chart.tsx";
import { StateChip } from "./state-chip.tsx";
import { StreamFacts } from "./stream-facts.tsx";
import { TileCover } from "./tile-cover.tsx";
import { TracksTable } from "./tracks-table.tsx";
import { VerdictCard } from "./verdict-card.tsx";

export function StreamView({ name }: { name: string }) {
  const stream = useReady((state) => state.streams.get(name));
  const model = useReady((state) => state.model);
  useEscape("#/");
  if (stream === undefined) return <UnknownStream name={name} />;
  return <KnownStream stream={stream} model={model} />;
}

function KnownStream({ stream, model }: { stream: Stream; model: ModelCard }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // A new view was opened: the keyboard and the screen reader start at its name.
    title.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);
  const verdict = shownVerdict(stream.verdict, stream.state, model);
  return (
    <article className="stream-view" aria-labelledby="stream-title">
      <div className="section-head">
        <BackLink />
        <h1 id="stream-title" ref={title} tabIndex={-1}>
          {stream.name}
        </h1>
        <StateChip state={stream.state} />
        <Neighbours name={stream.name} />
      </div>
      <div className="stream-top">
        <div className="stream-picture" data-verdict={verdict.kind}>
          {stream.state === "waiting" && stream.source === null ? (
            <PublishGuide name={stream.name} />
          ) : (
            <>
              <Picture stream={stream} model={model} large />
              <TileCover stream={stream} />
            </>
          )}
        </div>
        <div className="stream-side">
          <VerdictCard stream={stream} model={model} verdict={verdict} />
          <StreamFacts stream={stream} />
        </div>
      </div>
      <section className="panel" aria-labelledby="scores-title">
        <h2 id="scores-title">Score, last ten minutes</h2>
        <ScoreChart name={stream.name} model={model} />
      </section>
      <div className="stream-bottom">
        <section className="panel" aria-labelledby="tracks-title">
          <h2 id="tracks-title">Faces</h2>
          <TracksTable stream={stream} model={model} />
        </section>
        <StreamAlerts name={stream.name} />
      </div>
    </article>
  );
}

function StreamAlerts({ name }: { name: string }) {
  const alerts = useReady((state) => state.alerts);
  const own = useMemo(() => alerts.filter((alert) => alert.stream === name), [alerts, name]);
  return (
    <section className="panel" aria-labelledby="stream-alerts-title">
      <h2 id="stream-alerts-title">Alerts</h2>
      <AlertList alerts={own} linked={false} />
    </section>
  );
}

function Neighbours({ name }: { name: string }) {
  const names = useReady((state) => state.streamNames);
  const index = names.indexOf(name);
  const previous = names[index - 1];
  const next = names[index + 1];
  if (names.length < 2) return null;
  return (
    <nav className="neighbours" aria-label="Other streams">
      {previous !== undefined && (
        <a className="button" href={hrefOf({ kind: "stream", name: previous })} aria-label={`Previous stream: ${previous}`}>
          <BackIcon />
          <span>{previous}</span>
        </a>
      )}
      {next !== undefined && (
        <a className="button" href={hrefOf({ kind: "stream", name: next })} aria-label={`Next stream: ${next}`}>
          <span>{next}</span>
          <ForwardIcon />
        </a>
      )}
    </nav>
  );
}

function UnknownStream({ name }: { name: string }) {
  return (
    <section className="empty">
      <h1>There is no stream “{name}”</h1>
      <p>It may have been renamed or taken out of the configuration.</p>
      <BackLink />
    </section>
  );
}
