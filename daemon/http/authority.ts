/** What the HTTP interface asks of the part that decides who may enter: plain functions given by the composition root. */
import type { AccessToken, AccessTokenCreated, AccessTokenInput, AuditPage, AuditQuery, Role } from "../access-protocol.ts";
import type { Principal } from "../principal.ts";

export interface Presented {
  readonly bearer: string | null;
  readonly session: string | null;
  readonly address: string;
  readonly isLocal: boolean;
}

export type Turned = { readonly kind: "missing" } | { readonly kind: "wrong" } | { readonly kind: "limited"; readonly retryAfterSeconds: number };
export type Authentication = { readonly kind: "granted"; readonly principal: Principal } | Turned;

export interface BegunSession {
  readonly principal: Principal;
  /** For the cookie. */
  readonly secret: string;
  readonly maxAgeSeconds: number;
}

export interface Author {
  readonly actor: string;
  readonly name: string;
  readonly address: string;
}

/** Synchronous: it answers from memory or the local store. Everything throws TruecastError store-failed when that cannot be read or written. */
export interface Authority {
  authenticate(presented: Presented): Authentication;
  isCurrent(principal: Principal): boolean;
  signIn(secret: string, address: string): { readonly kind: "begun"; readonly session: BegunSession } | Turned | { readonly kind: "no-session"; readonly role: Role };
  signOut(principal: Principal, address: string): void;
  readonly tokens: {
    list(): AccessToken[];
    /** @throws TruecastError request-invalid, capacity-reached */
    create(input: AccessTokenInput, author: Author): AccessTokenCreated;
    revoke(id: string, author: Author): boolean;
  };
  auditPage(query: AuditQuery): AuditPage;
}
