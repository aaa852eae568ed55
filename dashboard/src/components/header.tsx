/** The head of the page: which model judges, on what, how full the daemon is, and whether it is there. */
import type { Route } from "../route.ts";
import { toggleTheme, useTheme } from "../theme.ts";
import { useReady } from "../use-live.ts";
import { ConnectionStatus } from "./connection-status.tsx";
import { AlertIcon, Logo, ThemeIcon } from "./icons.tsx";
import { ModelBadge } from "./model-badge.tsx";
import { OnAirLink } from "./on-air-link.tsx";
import { SignedIn } from "./signed-in.tsx";

export function Header({ route }: { route: Route }) {
  const model = useReady((state) => state.model);
  const capacity = useReady((state) => state.system.capacity);
  const version = useReady((state) => state.system.version);
  return (
    <header className="header">
      <a className="brand" href="#/" aria-label="Truecast, all streams" aria-current={route.kind === "wall" ? "page" : undefined} title={`Truecast ${version}`}>
        <Logo />
        <span>Truecast</span>
      </a>
      <dl className="header-facts">
        <div>
          <dt className="self-evident">Model</dt>
          <dd title={`${model.description}\n${model.training}\nSHA-256 ${model.sha256}`}>
            {model.name} <ModelBadge model={model} />
          </dd>
        </div>
        <div>
          <dt className="self-evident">Provider</dt>
          <dd>{model.provider ?? <span className="badge" data-badge="down">Inference down</span>}</dd>
        </div>
        <div>
          <dt>Capacity</dt>
          <dd>
            {capacity.streams} of {capacity.maxStreams}
          </dd>
        </div>
      </dl>
      <div className="header-end">
        <OnAirLink current={route.kind === "publish"} />
        <AlertsLink current={route.kind === "alerts"} />
        <ConnectionStatus />
        <SignedIn />
        <ThemeToggle />
      </div>
    </header>
  );
}

function AlertsLink({ current }: { current: boolean }) {
  const firing = useReady((state) => state.alerts.filter((alert) => alert.state === "firing").length);
  return (
    <a className="button alerts-link" href="#/alerts" data-firing={firing > 0} aria-current={current ? "page" : undefined}>
      <AlertIcon state={firing > 0 ? "firing" : "resolved"} />
      {firing > 0 ? `${firing} firing` : "No alerts firing"}
    </a>
  );
}

function ThemeToggle() {
  const theme = useTheme();
  return (
    <button type="button" className="button icon-button" onClick={toggleTheme} aria-label={theme === "dark" ? "Switch to light colours" : "Switch to dark colours"} title={theme === "dark" ? "Light colours" : "Dark colours"}>
      <ThemeIcon />
    </button>
  );
}
