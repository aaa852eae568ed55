/** A verdict in icon, word and colour. */
import type { ShownVerdict } from "../shown-verdict.ts";
import { VerdictIcon } from "./icons.tsx";

export function VerdictLabel({ verdict }: { verdict: ShownVerdict }) {
  return (
    <span className="verdict" data-verdict={verdict.kind}>
      <VerdictIcon kind={verdict.kind} />
      {verdict.label}
    </span>
  );
}
