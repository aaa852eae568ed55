/** Says aloud, to those who listen to the page, that an alert fires. */
import { useEffect, useRef, useState } from "react";
import { plural } from "../format.ts";
import { useReady } from "../use-live.ts";
import { sentenceOfAlert } from "../wording.ts";

export function AlertAnnouncer() {
  const alerts = useReady((state) => state.alerts);
  const known = useRef<ReadonlySet<string> | null>(null);
  const [text, setText] = useState("");
  useEffect(() => {
    const firing = alerts.filter((alert) => alert.state === "firing");
    const before = known.current;
    known.current = new Set(firing.map((alert) => alert.id));
    if (before === null) {
      if (firing.length > 0) setText(`${plural(firing.length, "alert")} firing.`);
      return;
    }
    const fresh = firing.filter((alert) => !before.has(alert.id));
    const newest = fresh[0];
    if (newest === undefined) return;
    setText(fresh.length === 1 ? sentenceOfAlert(newest) : `${fresh.length} new alerts firing.`);
  }, [alerts]);
  return (
    <div className="visually-hidden" role="alert" aria-live="assertive">
      {text}
    </div>
  );
}
