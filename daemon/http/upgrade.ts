/** Decides over each WebSocket handshake before a client is taken. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Problem } from "../protocol.ts";
import { type AccessRules, isAuthorised, isHostAllowed, isOriginAllowed } from "./access.ts";
import { pathOf } from "./app.ts";
import type { Live, ResumePoint } from "./live.ts";
import { problem, rawProblem } from "./problems.ts";
import type { HttpEvent, Refusal } from "./source.ts";

export const LIVE_PATH = "/api/v1/live";

export interface UpgradeOptions {
  readonly rules: AccessRules;
  readonly live: Live;
  readonly onEvent: (event: HttpEvent) => void;
}

export function handleUpgrade(upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer }, { rules, live, onEvent }: UpgradeOptions): void {
  const { request, socket } = upgrade;
  const verdict = judge(request, rules, live);
  if (verdict.kind === "accepted") return live.accept(upgrade, verdict.resume);
  if (verdict.refusal !== null) onEvent({ kind: "refused", reason: verdict.refusal });
  // Half-open sockets would stay: nothing of this one is read any more.
  socket.once("error", () => socket.destroy());
  socket.end(rawProblem(verdict.body, verdict.body.status === 503 ? { "Retry-After": "5" } : {}), () => socket.destroy());
}

type Judgement = { readonly kind: "accepted"; readonly resume: ResumePoint } | { readonly kind: "refused"; readonly body: Problem; readonly refusal: Refusal | null };

function judge(request: IncomingMessage, rules: AccessRules, live: Live): Judgement {
  const { host, origin } = request.headers;
  const url = request.url ?? "";
  const refuse = (body: Problem, refusal: Refusal | null): Judgement => ({ kind: "refused", body, refusal });
  if (!isHostAllowed(host, rules)) return refuse(problem(403, "forbidden", `The Host ${JSON.stringify(host ?? "")} is not one of this server's; add it to the allowed hosts if it is.`), "host");
  if (!isOriginAllowed(origin, host, rules)) return refuse(problem(403, "forbidden", `The Origin ${JSON.stringify(origin)} is not allowed.`), "origin");
  if (!isAuthorised(request.headers, rules.token)) return refuse(problem(401, "unauthorized", "A token is demanded: as `Authorization: Bearer …` or as the dashboard's cookie."), "token");
  if (pathOf(url) !== LIVE_PATH) return refuse(problem(404, "not-found", `There is no WebSocket at ${JSON.stringify(pathOf(url).slice(0, 100))}.`), null);
  if (!live.hasRoom()) return refuse(problem(503, "overload", "No further WebSocket client is taken."), "live-capacity");
  const query = new URLSearchParams(url.slice(LIVE_PATH.length));
  const [run, message, since] = [query.get("run"), query.get("message"), query.get("since")];
  for (const [name, value] of [["since", since], ["message", message]] as const) {
    if (value === null || /^\d{1,15}$/.test(value)) continue;
    return refuse(problem(400, "request-invalid", `query parameter ${JSON.stringify(name)} is ${JSON.stringify(value.slice(0, 100))}: must be a non-negative integer`), null);
  }
  return {
    kind: "accepted",
    resume: { since: since === null ? null : Number(since), message: run === null || message === null ? null : { run, seq: Number(message) } },
  };
}
