/** Who the daemon takes this page for: asked once a page, signed in with a token, signed out. */
import type { Session } from "../../daemon/access-protocol.ts";

export type SignInOutcome =
  | { readonly kind: "signed-in" }
  | { readonly kind: "wrong" }
  /** The token is good, but not for looking at anything. */
  | { readonly kind: "no-viewer" }
  /** Whatever the token: the daemon does not take this page for its own, as behind a proxy that changes Host. */
  | { readonly kind: "not-its-page" }
  | { readonly kind: "limited"; readonly retryAfterSeconds: number }
  | { readonly kind: "unreachable" };

const SESSION_URL = "/api/v1/session";
const TIMEOUT_MS = 10_000;

/** Null when nobody is signed in, or the daemon does not answer. Never throws. */
export async function readSession(): Promise<Session | null> {
  try {
    const response = await fetch(SESSION_URL, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? ((await response.json()) as Session) : null;
  } catch {
    return null;
  }
}

/** The cookie that the answer sets is out of this page's reach. Never throws. */
export async function signIn(token: string): Promise<SignInOutcome> {
  try {
    const response = await fetch(SESSION_URL, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) return { kind: "signed-in" };
    if (response.status === 429) return { kind: "limited", retryAfterSeconds: Number(response.headers.get("retry-after") ?? 60) };
    if (response.status === 403) return { kind: (await codeOf(response)) === "role-insufficient" ? "no-viewer" : "not-its-page" };
    return { kind: response.status < 500 ? "wrong" : "unreachable" };
  } catch {
    return { kind: "unreachable" };
  }
}

async function codeOf(response: Response): Promise<string | null> {
  const body: unknown = await response.json();
  return typeof body === "object" && body !== null && "code" in body && typeof body.code === "string" ? body.code : null;
}

/** @returns false when the daemon did not take it. Never throws. */
export async function signOut(csrfToken: string): Promise<boolean> {
  try {
    const response = await fetch(SESSION_URL, { method: "DELETE", headers: { "x-csrf-token": csrfToken }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    // Ended already is ended.
    return response.ok || response.status === 401;
  } catch {
    return false;
  }
}
