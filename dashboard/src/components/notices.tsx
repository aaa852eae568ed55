/** What everyone looking at the page must know before believing a figure on it. */
import { useState } from "react";
import { plural } from "../format.ts";
import { useReady } from "../use-live.ts";
import { DisconnectedNotice } from "./connection-status.tsx";
import { InfoIcon, WarningIcon } from "./icons.tsx";

/** Frames a second when nothing is left out. */
const FULL_SAMPLING_FPS = 10;

export function Notices() {
  return (
    <div className="notices">
      <DisconnectedNotice />
      <MissedNotice />
      <ModelNotice />
      <ComponentNotices />
      <SamplingNotice />
    </div>
  );
}

/** An alert that fired and ended while nobody could see it must not pass unseen. */
function MissedNotice() {
  const missed = useReady((state) => state.missed);
  const [dismissed, setDismissed] = useState<typeof missed>(null);
  if (missed === null || missed === dismissed) return null;
  return (
    <p className="notice" data-notice="missed">
      <WarningIcon />
      <span>
        <b>{missed.fired === 0 ? "Alerts may have fired" : `${plural(missed.fired, "alert")} fired`} while the connection was lost</b>
        {missed.gap && "; what is older is no longer kept"}. <a href="#/alerts">Show alerts</a>{" "}
        <button type="button" className="button button-small" onClick={() => setDismissed(missed)}>
          Dismiss
        </button>
      </span>
    </p>
  );
}

function ModelNotice() {
  const model = useReady((state) => state.model);
  if (model.kind === "scripted") {
    return (
      <p className="notice" data-notice="scripted">
        <WarningIcon />
        <span>
          <b>Scripted demonstration:</b> the scores come from a script, not from a detector.
        </span>
      </p>
    );
  }
  if (model.trained) return null;
  return (
    <p className="notice" data-notice="untrained">
      <WarningIcon />
      <span>
        <b>This model is untrained:</b> scores mean nothing; no alerts are raised.
      </span>
    </p>
  );
}

function ComponentNotices() {
  const components = useReady((state) => state.system.components);
  return Object.entries(components)
    .filter(([, component]) => component.state !== "ready")
    .map(([name, component]) => (
      <p key={name} className="notice" data-notice={component.state}>
        {component.state === "down" ? <WarningIcon /> : <InfoIcon />}
        <span>
          <b>
            {name} is {component.state === "down" ? "down" : "starting"}.
          </b>{" "}
          {component.message} {component.restarts > 0 && `Restarted ${component.restarts} times.`}
        </span>
      </p>
    ));
}

function SamplingNotice() {
  const samplingFps = useReady((state) => state.system.samplingFps);
  if (samplingFps >= FULL_SAMPLING_FPS) return null;
  return (
    <p className="notice" data-notice="sampling">
      <InfoIcon />
      <span>
        <b>Under load:</b> {samplingFps} instead of {FULL_SAMPLING_FPS} frames a second are analysed.
      </span>
    </p>
  );
}
