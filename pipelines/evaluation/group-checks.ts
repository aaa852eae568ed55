/** Whether a figure hangs on one person or scene, and what is left of it when thresholds are chosen on other people. */
import { accuracyAt, areaUnderCurve, bestAccuracy } from "./roc.ts";
import type { Judged } from "./scored-clip.ts";

export interface GroupChecks {
  readonly groups: number;
  /** Areas with one group left out: the lowest and the highest, and whose absence makes them. Null when a class would be missing. */
  readonly withoutOne: { readonly lowest: LeftOut; readonly highest: LeftOut } | null;
  /** Each clip judged at the threshold that has the best balanced accuracy on all other groups: no clip had a say in its own threshold. */
  readonly crossValidated: { readonly accuracy: number; readonly balancedAccuracy: number } | null;
  /** Groups with genuine and fake clips of one person or scene, and the share of their pairs in the right order. */
  readonly sameScene: { readonly groups: number; readonly pairs: number; readonly rightShare: number } | null;
}

interface LeftOut {
  readonly group: string;
  readonly area: number;
}

export function checkGroups(items: readonly Judged[]): GroupChecks {
  const groups = [...Map.groupBy(items, ({ group }) => group)];
  const areas = groups.flatMap(([group]): LeftOut[] => {
    const area = areaUnderCurve(items.filter((item) => item.group !== group));
    return area === null ? [] : [{ group, area }];
  });
  const ranked = areas.toSorted((a, b) => a.area - b.area);
  const [lowest, highest] = [ranked[0], ranked.at(-1)];
  return {
    groups: groups.length,
    withoutOne: lowest === undefined || highest === undefined ? null : { lowest, highest },
    crossValidated: crossValidated(items, groups),
    sameScene: sameScene(groups.map(([, members]) => members)),
  };
}

function crossValidated(items: readonly Judged[], groups: readonly [string, readonly Judged[]][]): GroupChecks["crossValidated"] {
  // Scores relative to the threshold of their fold: one threshold of zero then judges all.
  const judged = groups.flatMap(([group, members]) => {
    const best = bestAccuracy(items.filter((item) => item.group !== group), "balancedAccuracy");
    return best === null ? [] : members.map(({ label, score }) => ({ label, score: score >= best.threshold ? 1 : 0 }));
  });
  const accuracy = judged.length === items.length ? accuracyAt(judged, 0.5) : null;
  return accuracy === null ? null : { accuracy: accuracy.accuracy, balancedAccuracy: accuracy.balancedAccuracy };
}

function sameScene(groups: readonly (readonly Judged[])[]): GroupChecks["sameScene"] {
  let pairs = 0;
  let right = 0;
  let mixed = 0;
  for (const members of groups) {
    const area = areaUnderCurve(members);
    if (area === null) continue;
    const fakes = members.filter(({ label }) => label === "fake").length;
    const count = fakes * (members.length - fakes);
    mixed++;
    pairs += count;
    right += area * count;
  }
  return pairs === 0 ? null : { groups: mixed, pairs, rightShare: right / pairs };
}
