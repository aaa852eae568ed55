/** The state of the daemon's parts, as the API, readiness and metrics show it. */
import type { SystemStatus } from "./protocol.ts";
import type { ChildState, RestartCause } from "./supervision/supervised-child.ts";

export type ComponentState = Pick<SystemStatus["components"][string], "state" | "message">;
export interface ComponentChange {
  readonly name: string;
  readonly state: ComponentState["state"];
  /** Set when the change is a restart. */
  readonly restart: RestartCause | null;
}

export class Components {
  readonly #all = new Map<string, SystemStatus["components"][string]>();
  readonly #onChange: (change: ComponentChange) => void;

  constructor(onChange: (change: ComponentChange) => void) {
    this.#onChange = onChange;
  }

  set(name: string, state: ComponentState): void {
    this.#all.set(name, { ...state, restarts: this.#all.get(name)?.restarts ?? 0 });
    this.#onChange({ name, state: state.state, restart: null });
  }

  restarted(name: string, cause: RestartCause): void {
    const { state, message, restarts } = this.#all.get(name) ?? { state: "down" as const, message: null, restarts: 0 };
    this.#all.set(name, { state, message, restarts: restarts + 1 });
    this.#onChange({ name, state, restart: cause });
  }

  stateOf(name: string): ComponentState["state"] | undefined {
    return this.#all.get(name)?.state;
  }

  all(): SystemStatus["components"] {
    return Object.fromEntries(this.#all);
  }

  /** One sentence for each part that is not ready. */
  notReady(): string[] {
    return [...this.#all].filter(([, { state }]) => state !== "ready").map(([name, { state, message }]) => `${name} is ${state}${message ? `: ${message}` : ""}`);
  }
}

export function componentState(state: ChildState<unknown>): ComponentState {
  switch (state.kind) {
    case "ready":
      return { state: "ready", message: null };
    case "starting":
      return { state: "starting", message: null };
    case "down":
      return { state: "down", message: state.message };
    case "closed":
      return { state: "down", message: "ended" };
  }
}
