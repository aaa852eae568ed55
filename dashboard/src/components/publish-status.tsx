/** How publishing goes: not at all and why, connecting, on air, or coming back after a loss. */
import { formatDuration } from "../format.ts";
import { useNow } from "../use-now.ts";
import { usePublisherView } from "../use-publisher.ts";
import { StateIcon, WarningIcon } from "./icons.tsx";

export function PublishStatus() {
  const { link, capture } = usePublisherView();
  const problem = link.kind === "stopped" || link.kind === "reconnecting" ? link.problem : null;
  return (
    <div className="publish-status">
      <p role="status" className="publish-state" data-link={link.kind}>
        {link.kind === "on-air" && (
          <>
            <StateIcon state="live" />
            <span>
              On air: <b>{link.stream}</b>
            </span>
          </>
        )}
        {link.kind === "connecting" && (
          <>
            <StateIcon state="starting" />
            <span>{capture.kind === "on" ? `Connecting ${link.stream} …` : "Waiting for your permission …"}</span>
          </>
        )}
        {link.kind === "reconnecting" && (
          <>
            <StateIcon state="reconnecting" />
            <span>Reconnecting {link.stream} by itself.</span>
          </>
        )}
        {link.kind === "stopped" && (
          <>
            <StateIcon state="waiting" />
            <span>Not on air{capture.kind === "on" ? ": only you see the preview." : "."}</span>
          </>
        )}
      </p>
      {/* Beside the announced words, so that a screen reader does not count along. */}
      {link.kind === "on-air" && <Elapsed sinceMs={link.sinceMs} />}
      {link.kind === "reconnecting" && <Countdown untilMs={link.retryAtMs} />}
      {problem !== null && (
        <div role="alert" className="publish-problem">
          <WarningIcon />
          <p>
            <b>{problem.title}</b> {problem.advice}
          </p>
        </div>
      )}
    </div>
  );
}

function Elapsed({ sinceMs }: { sinceMs: number }) {
  return <p className="muted">for {formatDuration(useNow() - sinceMs)}</p>;
}

function Countdown({ untilMs }: { untilMs: number }) {
  const leftMs = untilMs - useNow();
  return <p className="muted">{leftMs > 0 ? `Next try in ${formatDuration(leftMs + 999)}.` : "Trying now …"}</p>;
}
