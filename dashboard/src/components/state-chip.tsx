/** A stream's state in icon and word. */
import type { StreamState } from "../../../daemon/protocol.ts";
import { STATE_LABELS } from "../wording.ts";
import { StateIcon } from "./icons.tsx";

export function StateChip({ state }: { state: StreamState }) {
  return (
    <span className="state-chip" data-state={state}>
      <StateIcon state={state} />
      {STATE_LABELS[state]}
    </span>
  );
}
