/** Publishing from this browser: form and preview beside what Truecast says of the stream. */
import { useEffect, useRef } from "react";
import { problemOfEndpoint, thisPage, type WhipEndpoint, whipEndpoint } from "../publish/whip-endpoint.ts";
import { hrefOf } from "../route.ts";
import { givesVerdicts, shownVerdict } from "../shown-verdict.ts";
import { useEscape } from "../use-escape.ts";
import { useReady } from "../use-live.ts";
import { usePublisher, usePublisherView } from "../use-publisher.ts";
import { BackLink } from "./back-link.tsx";
import { ForwardIcon, WarningIcon } from "./icons.tsx";
import { PublishForm } from "./publish-form.tsx";
import { PublishPreview } from "./publish-preview.tsx";
import { PublishStatus } from "./publish-status.tsx";
import { Sparkline } from "./sparkline.tsx";
import { StateChip } from "./state-chip.tsx";
import { VerdictCard } from "./verdict-card.tsx";

const PAGE = thisPage();

/** @param name stream to begin with; null takes the one that waits */
export function PublishView({ name }: { name: string | null }) {
  const publisher = usePublisher();
  const { settings, link } = usePublisherView();
  const whipUrl = useReady((state) => state.system.whipUrl);
  const streams = useReady((state) => state.streams);
  const title = useRef<HTMLHeadingElement>(null);
  useEscape("#/");
  useEffect(() => {
    // A new view was opened: the keyboard and the screen reader start at its name.
    title.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);

  const published = [...streams.values()].filter(({ source }) => source === null).map((stream) => stream.name);
  const first = published.find((candidate) => streams.get(candidate)?.publisher === null) ?? published[0] ?? null;
  const known = settings.stream !== null && published.includes(settings.stream);
  const wanted = name !== null && published.includes(name) ? name : null;
  useEffect(() => {
    if (wanted !== null) publisher.change({ stream: wanted });
  }, [publisher, wanted]);
  useEffect(() => {
    if (!known && first !== null) publisher.change({ stream: wanted ?? first });
  }, [publisher, known, wanted, first]);

  const shown = link.kind === "stopped" ? settings.stream : link.stream;
  return (
    <article className="publish-view" aria-labelledby="publish-title">
      <div className="section-head">
        <BackLink />
        <h1 id="publish-title" ref={title} tabIndex={-1}>
          Publish from this browser
        </h1>
      </div>
      {published.length === 0 ? <NothingToPublishTo /> : <Workplace endpoint={whipEndpoint(whipUrl, PAGE)} streams={published} />}
      {shown !== null && <StreamSays name={shown} />}
    </article>
  );
}

function Workplace({ endpoint, streams }: { endpoint: WhipEndpoint; streams: readonly string[] }) {
  if (endpoint.kind === "unusable") {
    const { title, advice } = problemOfEndpoint(endpoint.why);
    return (
      <section className="panel publish-obstacle" role="alert">
        <h2>
          <WarningIcon />
          {title}
        </h2>
        <p>{advice}</p>
      </section>
    );
  }
  return (
    <>
      <PublishForm whipUrl={endpoint.url} streams={streams} />
      <div className="publish-picture">
        <PublishPreview />
        <PublishStatus />
      </div>
    </>
  );
}

function NothingToPublishTo() {
  return (
    <section className="panel publish-obstacle">
      <h2>There is no stream to publish to</h2>
      <p>
        Add one with a name and a key under <code>streams</code> in the configuration and restart the daemon. Streams that Truecast fetches by itself take no publisher.
      </p>
    </section>
  );
}

/** The live verdict of the stream, whoever publishes it. */
function StreamSays({ name }: { name: string }) {
  const stream = useReady((state) => state.streams.get(name));
  const model = useReady((state) => state.model);
  if (stream === undefined) return null;
  return (
    <section className="publish-says" aria-label={`What Truecast says of ${name}`}>
      <div className="publish-says-head">
        <h2>{name}</h2>
        <StateChip state={stream.state} />
        <a className="button" href={hrefOf({ kind: "stream", name })}>
          All about {name}
          <ForwardIcon />
        </a>
      </div>
      <VerdictCard stream={stream} model={model} verdict={shownVerdict(stream.verdict, stream.state, model)} />
      {stream.stateReason !== null && stream.publisher !== null && <p className="muted">{stream.stateReason.message}</p>}
      <Sparkline name={name} bands={givesVerdicts(model) ? model.bands : null} />
    </section>
  );
}
