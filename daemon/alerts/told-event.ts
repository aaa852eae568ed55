/** Which transitions people are told of, and as what. */
import { randomUUID } from "node:crypto";
import type { AlertEvent, AlertEventKind, AlertEventMark } from "../protocol.ts";
import type { AlertTransition, AlertTransitionKind } from "./alert-rule.ts";

const EVENT_KINDS: Readonly<Record<AlertTransitionKind, AlertEventKind | null>> = {
  pending: null,
  firing: "new",
  worsened: "update",
  joined: "update",
  "re-firing": "update",
  resolved: "end",
  dropped: null,
};

/** A transition with the event that goes out with it; the event keeps its id on every try of every delivery. */
export interface TransitionToCommit extends AlertTransition {
  readonly event: { readonly id: string; readonly kind: AlertEventKind } | null;
}

export function withEvent(transition: AlertTransition): TransitionToCommit {
  const kind = EVENT_KINDS[transition.kind];
  return { ...transition, event: kind === null ? null : { id: randomUUID(), kind } };
}

/** What is said of a committed event beside its alert. */
export function markOf({ seq, id, kind, at }: AlertEvent): AlertEventMark {
  return { seq, id, kind, at };
}
