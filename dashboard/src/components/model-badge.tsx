/** Whether the model's word counts: trained, untrained, or a script that detects nothing. */
import type { ModelCard } from "../../../daemon/protocol.ts";

export function ModelBadge({ model }: { model: ModelCard }) {
  if (model.kind === "scripted") return <span className="badge" data-badge="scripted">Scripted</span>;
  if (!model.trained) return <span className="badge" data-badge="untrained">Untrained</span>;
  return <span className="badge" data-badge="trained">Trained</span>;
}
