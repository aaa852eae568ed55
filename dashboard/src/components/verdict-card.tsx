/** The verdict of one stream in large, with its place among the bands and what it rests on. */
import type { ModelCard, Stream } from "../../../daemon/protocol.ts";
import { formatPercent } from "../format.ts";
import type { ShownVerdict } from "../shown-verdict.ts";
import { VerdictLabel } from "./verdict-label.tsx";

export function VerdictCard({ stream, model, verdict }: { stream: Stream; model: ModelCard; verdict: ShownVerdict }) {
  return (
    <section className="panel verdict-card" data-verdict={verdict.kind} aria-label="Verdict of the stream">
      <div className="verdict-row">
        <VerdictLabel verdict={verdict} />
        {verdict.score !== null && <span className="verdict-score">{formatPercent(verdict.score)}</span>}
        {verdict.score === null && verdict.rawScore !== null && <span className="verdict-score verdict-score-raw">raw {formatPercent(verdict.rawScore)}</span>}
      </div>
      <BandMeter bands={model.bands} score={verdict.score} />
      <p className="verdict-note">{noteOf(stream, model, verdict)}</p>
    </section>
  );
}

function noteOf(stream: Stream, model: ModelCard, verdict: ShownVerdict): string {
  if (verdict.sentence !== null) return verdict.sentence;
  const basis = verdict.provisionalFrames === null ? `Probability of manipulation over ${model.window} frames` : `Provisional: ${verdict.provisionalFrames} of ${model.window} frames`;
  const worst = stream.tracks.length > 1 ? ", the worst face counts" : "";
  return `${basis}${worst}.`;
}

/** Where the score stands among the model's bands. Told in words beside it, so hidden from screen readers. */
export function BandMeter({ bands, score }: { bands: ModelCard["bands"]; score: number | null }) {
  const edges = [0, bands.uncertain, bands.suspicious, bands.manipulated, 1];
  const kinds = ["authentic", "uncertain", "suspicious", "manipulated"];
  return (
    <div className="meter" aria-hidden="true" data-empty={score === null}>
      {kinds.map((kind, index) => (
        <span key={kind} className="meter-band" data-verdict={kind} style={{ flexGrow: ((edges[index + 1] ?? 1) - (edges[index] ?? 0)) * 1000 }} />
      ))}
      {score !== null && <span className="meter-mark" style={{ left: `${score * 100}%` }} />}
    </div>
  );
}
