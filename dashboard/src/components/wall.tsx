/** The wall: every stream as a tile, walked with the arrow keys, beside the alerts. */
import { useEffect, useRef, useState } from "react";
import { arrowTarget } from "../arrow-keys.ts";
import { hrefOf } from "../route.ts";
import { shownVerdict } from "../shown-verdict.ts";
import { useReady } from "../use-live.ts";
import { VERDICT_LABELS, type VerdictKind } from "../wording.ts";
import { AlertList } from "./alert-list.tsx";
import { EmptyWall } from "./empty-wall.tsx";
import { VerdictIcon } from "./icons.tsx";
import { StreamTile } from "./stream-tile.tsx";

/** The tile to come back to after a stream was looked at. */
let lastVisited: string | null = null;

export function Wall() {
  const names = useReady((state) => state.streamNames);
  const alerts = useReady((state) => state.alerts);
  const [current, setCurrent] = useState(lastVisited);
  const list = useRef<HTMLUListElement>(null);
  const tabStop = current !== null && names.includes(current) ? current : names[0];

  const remember = useRef((name: string) => {
    lastVisited = name;
    setCurrent(name);
  });

  useEffect(() => {
    // Coming back from a stream, the keyboard goes on where it was.
    if (lastVisited !== null && document.activeElement === document.body) tilesOf(list.current).find((tile) => tile.dataset["stream"] === lastVisited)?.focus({ preventScroll: false });
  }, []);

  const onKeyDown = (event: React.KeyboardEvent): void => {
    const tiles = tilesOf(list.current);
    const from = tiles.findIndex((tile) => tile === document.activeElement);
    const to = arrowTarget(event.key, from, tiles.map((tile) => tile.getBoundingClientRect()));
    if (to === null) return;
    event.preventDefault();
    tiles[to]?.focus();
  };

  return (
    <div className="wall-layout" data-density={densityOf(names.length)}>
      <section className="wall-section" aria-labelledby="wall-title">
        <div className="section-head">
          <h1 id="wall-title">Streams</h1>
          <WallSummary />
          <PublishLink />
          {names.length > 0 && <span className="wall-unit muted">% is the probability of manipulation</span>}
        </div>
        {names.length === 0 ? (
          <EmptyWall />
        ) : (
          <ul ref={list} className="wall" data-density={densityOf(names.length)} onKeyDown={onKeyDown}>
            {names.map((name) => (
              <li key={name}>
                <StreamTile name={name} tabIndex={name === tabStop ? 0 : -1} onFocus={remember.current} />
              </li>
            ))}
          </ul>
        )}
      </section>
      <aside className="wall-alerts" aria-labelledby="wall-alerts-title">
        <div className="section-head">
          <h2 id="wall-alerts-title">Alerts</h2>
          {alerts.length > 0 && <a href="#/alerts">All {alerts.length}</a>}
        </div>
        <AlertList alerts={alerts.slice(0, 30)} />
      </aside>
    </div>
  );
}

/** Where a newcomer without OBS begins. */
function PublishLink() {
  const offered = useReady((state) => state.system.whipUrl !== null && [...state.streams.values()].some(({ source }) => source === null));
  if (!offered) return null;
  return (
    <a className="button button-small" href={hrefOf({ kind: "publish", name: null })}>
      Publish from this browser
    </a>
  );
}

function tilesOf(list: HTMLElement | null): HTMLElement[] {
  return list === null ? [] : [...list.querySelectorAll<HTMLElement>("a.tile")];
}

function densityOf(count: number): "one" | "few" | "some" | "many" {
  if (count === 1) return "one";
  if (count <= 4) return "few";
  return count <= 12 ? "some" : "many";
}

const WORST_FIRST: readonly VerdictKind[] = ["manipulated", "suspicious", "uncertain", "authentic", "unscored"];

function WallSummary() {
  const summary = useReady((state) => {
    const counts = new Map<VerdictKind, number>();
    for (const stream of state.streams.values()) {
      const { kind } = shownVerdict(stream.verdict, stream.state, state.model);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    // As text, so that the selection is equal while the counts are.
    return WORST_FIRST.map((kind) => counts.get(kind) ?? 0).join(" ");
  });
  const counts = summary.split(" ").map(Number);
  return (
    <ul className="wall-summary" aria-label="Streams by verdict">
      {WORST_FIRST.map((kind, index) =>
        (counts[index] ?? 0) === 0 ? null : (
          <li key={kind} className="verdict" data-verdict={kind}>
            <VerdictIcon kind={kind} />
            <b>{counts[index]}</b> {VERDICT_LABELS[kind].toLowerCase()}
          </li>
        ),
      )}
    </ul>
  );
}
