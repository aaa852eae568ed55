/** Entry of the dashboard: starts the theme and the live store, and shows the page. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/header.css";
import "./styles/wall.css";
import "./styles/picture.css";
import "./styles/stream-view.css";
import "./styles/chart.css";
import "./styles/alerts.css";
import "./styles/publish.css";
import "./styles/sign-in.css";
import { App } from "./app.tsx";
import { createFlushSchedule } from "./flush-schedule.ts";
import { startLiveStore } from "./live-store.ts";
import { createPublisher } from "./publish/publisher.ts";
import { startTheme } from "./theme.ts";
import { LiveStoreContext } from "./use-live.ts";
import { PublisherContext } from "./use-publisher.ts";

startTheme();
const store = startLiveStore({ origin: window.location.origin, schedule: createFlushSchedule(document) });
// A laptop that wakes up or finds its network again should not sit out the back-off.
window.addEventListener("online", () => store.retryNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) store.retryNow();
});

const publisher = createPublisher();

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root.");
createRoot(root).render(
  <StrictMode>
    <LiveStoreContext value={store}>
      <PublisherContext value={publisher}>
        <App />
      </PublisherContext>
    </LiveStoreContext>
  </StrictMode>,
);
