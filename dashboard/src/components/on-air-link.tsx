/** Says on every view that this page publishes, so that no camera runs unnoticed. */
import { hrefOf } from "../route.ts";
import { usePublisherView } from "../use-publisher.ts";
import { StateIcon } from "./icons.tsx";

export function OnAirLink({ current }: { current: boolean }) {
  const { link } = usePublisherView();
  if (link.kind === "stopped") return null;
  return (
    <a className="button on-air-link" href={hrefOf({ kind: "publish", name: null })} aria-current={current ? "page" : undefined}>
      <StateIcon state={link.kind === "on-air" ? "live" : "reconnecting"} />
      {link.kind === "on-air" ? "Publishing" : "Connecting"} {link.stream}
    </a>
  );
}
