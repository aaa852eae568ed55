/** Decides over each WebSocket handshake before a client is taken. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Problem } from "../protocol.ts";
import type { Principal } from "../principal.ts";
import { pathOf } from "./app.ts";
import { type Gate, passGate } from "./gate.ts";
import type { Live, ResumePoint } from "./live.ts";
import { problem, problemOf, rawProblem } from "./problems.ts";
import { ROUTE_ROLES, type RouteAccess, UNMATCHED } from "./route-roles.ts";
import type { HttpEvent, Refusal } from "./source.ts";

export const LIVE_PATH = "/api/v1/live";

export interface UpgradeOptions {
  readonly gate: Gate;
  readonly live: Live;
  readonly onEvent: (event: HttpEvent) => void;
}

export function handleUpgrade(upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer }, { gate, live, onEvent }: UpgradeOptions): void {
  const { request, socket } = upgrade;
  const verdict = judge(request, gate, live);
  if (verdict.kind === "accepted") return live.accept(upgrade, verdict.resume, verdict.principal);
  if (verdict.refusal !== null) onEvent({ kind: "refused", reason: verdict.refusal });
  // Half-open sockets would stay: nothing of this one is read any more.
  socket.once("error", () => socket.destroy());
  socket.end(rawProblem(verdict.body, verdict.headers), () => socket.destroy());
}

type Judgement =
  | { readonly kind: "accepted"; readonly resume: ResumePoint; readonly principal: Principal }
  | { readonly kind: "refused"; readonly body: Problem; readonly refusal: Refusal | null; readonly headers: Readonly<Record<string, string>> };

function judge(request: IncomingMessage, gate: Gate, live: Live): Judgement {
  const url = request.url ?? "";
  const path = pathOf(url);
  const refuse = (body: Problem, refusal: Refusal | null, headers: Readonly<Record<string, string>> = {}): Judgement => ({ kind: "refused", body, refusal, headers });
  const access: RouteAccess = (path === LIVE_PATH ? ROUTE_ROLES[`GET ${LIVE_PATH}`] : undefined) ?? UNMATCHED;
  const passage = pass(request, access, gate);
  if ("status" in passage) return refuse(passage, null);
  if (passage.kind === "refused") return passage;
  const { principal } = passage;
  if (path !== LIVE_PATH || principal === null) return refuse(problem(404, "not-found", `There is no WebSocket at ${JSON.stringify(path.slice(0, 100))}.`), null);
  if (!live.hasRoom(principal.streams)) return refuse(problem(503, "overload", "No further WebSocket client is taken."), "live-capacity", { "Retry-After": "5" });
  const query = new URLSearchParams(url.slice(LIVE_PATH.length));
  const [run, message, since] = [query.get("run"), query.get("message"), query.get("since")];
  for (const [name, value] of [["since", since], ["message", message]] as const) {
    if (value === null || /^\d{1,15}$/.test(value)) continue;
    return refuse(problem(400, "request-invalid", `query parameter ${JSON.stringify(name)} is ${JSON.stringify(value.slice(0, 100))}: must be a non-negative integer`), null);
  }
  return {
    kind: "accepted",
    principal,
    resume: { since: since === null ? null : Number(since), message: run === null || message === null ? null : { run, seq: Number(message) } },
  };
}

/** No error handler stands behind an upgrade. */
function pass(request: IncomingMessage, access: RouteAccess, gate: Gate): ReturnType<typeof passGate> | Problem {
  try {
    return passGate({ kind: "upgrade", headers: request.headers, peer: request.socket.remoteAddress }, access, gate);
  } catch (error) {
    return problemOf(error);
  }
}
