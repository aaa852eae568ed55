/** The page: header and notices around the wall, one stream, the alerts or publishing. */
import { useEffect } from "react";
import { AccessPage } from "./components/access-page.tsx";
import { AlertAnnouncer } from "./components/alert-announcer.tsx";
import { AlertsView } from "./components/alerts-view.tsx";
import { ConnectingPage } from "./components/connecting-page.tsx";
import { FiringStrip } from "./components/firing-strip.tsx";
import { Header } from "./components/header.tsx";
import { Notices } from "./components/notices.tsx";
import { PublishView } from "./components/publish-view.tsx";
import { SignInPage } from "./components/sign-in-page.tsx";
import { StreamView } from "./components/stream-view.tsx";
import { Wall } from "./components/wall.tsx";
import type { Route } from "./route.ts";
import { useLiveView, useReady, useStale } from "./use-live.ts";
import { useRoute } from "./use-route.ts";

export function App() {
  const refusal = useLiveView((view) => (view.connection.kind === "refused" ? view.connection.reason : null));
  const hasState = useLiveView((view) => view.state.kind === "ready");
  if (refusal === "unauthorized") return <SignInPage />;
  if (refusal === "forbidden") return <AccessPage />;
  if (!hasState) return <ConnectingPage />;
  return <Shell />;
}

function Shell() {
  const route = useRoute();
  const stale = useStale();
  useDocumentTitle(route);
  return (
    <>
      <a className="skip-link" href="#main" onClick={skipToMain}>
        Skip to content
      </a>
      <Header route={route} />
      <FiringStrip />
      <Notices />
      <main id="main" tabIndex={-1} className={stale ? "main is-stale" : "main"}>
        <View route={route} />
      </main>
      <AlertAnnouncer />
    </>
  );
}

function View({ route }: { route: Route }) {
  switch (route.kind) {
    case "wall":
      return <Wall />;
    case "alerts":
      return <AlertsView />;
    case "publish":
      return <PublishView key={route.name} name={route.name} />;
    case "stream":
      return <StreamView key={route.name} name={route.name} />;
  }
}

/** The hash is the route, so an in-page link may not change it. */
function skipToMain(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

const PLACES = { wall: "", alerts: "Alerts · ", publish: "Publish · " } as const;

function useDocumentTitle(route: Route): void {
  const firing = useReady((state) => state.alerts.filter((alert) => alert.state === "firing").length);
  const place = route.kind === "stream" ? `${route.name} · ` : PLACES[route.kind];
  useEffect(() => {
    document.title = `${firing > 0 ? `(${firing} firing) ` : ""}${place}Truecast`;
  }, [firing, place]);
}
