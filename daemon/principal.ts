/** Who makes a request, and what that one may do: the vocabulary that access and HTTP share. */
import type { Role } from "./access-protocol.ts";

export interface Principal {
  /** Stable, for the audit record: `token:<id>`, `configured-token`, `loopback`. */
  readonly actor: string;
  /** The same for people. */
  readonly name: string;
  readonly role: Role;
  /** The only streams that exist for it; null: all. */
  readonly streams: readonly string[] | null;
  /** When it ends at the latest, wall clock. */
  readonly expiresAt: number | null;
  readonly credential: Credential;
}

/** How it proved itself. */
export type Credential =
  | { readonly kind: "token"; readonly id: string }
  | { readonly kind: "configured-token" }
  | { readonly kind: "session"; readonly digest: Buffer; readonly csrfToken: string }
  | { readonly kind: "loopback" };

/** What a route asks for: `any` is whoever is known, whatever the role. */
export type RequiredRole = Role | "any";

const SUFFICIENT: Readonly<Record<RequiredRole, readonly Role[]>> = {
  any: ["viewer", "reviewer", "admin", "publisher"],
  viewer: ["viewer", "reviewer", "admin"],
  reviewer: ["reviewer", "admin"],
  publisher: ["publisher", "admin"],
  admin: ["admin"],
};

export function isRoleSufficient(role: Role, required: RequiredRole): boolean {
  return SUFFICIENT[required].includes(role);
}

export function seesStream(principal: Pick<Principal, "streams">, stream: string): boolean {
  return principal.streams === null || principal.streams.includes(stream);
}
