/** The audit record as the rest of the daemon writes it: who, from where, what, on what. */
import type { AuditEntry } from "../access-protocol.ts";

/** Who does something, and from where. */
export interface Author {
  readonly actor: string;
  readonly name: string;
  /** Null: on the command line. */
  readonly address: string | null;
}

export interface AuditAction {
  /** `noun.verb`, for example `token.created`. */
  readonly action: string;
  readonly object: string;
  /** Becomes JSON. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Default: now. */
  readonly at?: number;
}

export interface Audit {
  /**
   * Joins the store's transaction under way: inside `store.atomically` an action and its record are written together or not at all.
   * @throws TruecastError store-failed; what cannot be recorded must not be done
   */
  append(author: Author, action: AuditAction): void;
}

export interface AuditOptions {
  readonly store: { appendAudit(entry: Omit<AuditEntry, "seq">): void };
  readonly now?: () => number;
}

export function createAudit({ store, now = Date.now }: AuditOptions): Audit {
  return {
    append({ actor, name, address }, { action, object, detail = {}, at = now() }) {
      store.appendAudit({ at, actor, actorName: name, address, action, object, detail: { ...detail } });
    },
  };
}
