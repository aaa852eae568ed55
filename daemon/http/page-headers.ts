/** Headers of the dashboard's page beyond those of every answer: it may call the WHIP listener, and use camera and screen. Pure. */

import { contentSecurityPolicy, NO_DEVICES } from "./security-headers.ts";

export interface PageHeaderOptions {
  /** Of the WHIP listener, as the API gives it; null when it is switched off. */
  readonly whipUrl: string | null;
  /** The Host by which the page was asked for; already judged. */
  readonly host: string;
}

export function pageHeaders({ whipUrl, host }: PageHeaderOptions): Readonly<Record<string, string>> {
  return {
    "content-security-policy": contentSecurityPolicy(whipUrl === null ? [] : [whipOrigin(whipUrl, host)]),
    "permissions-policy": `camera=(self), display-capture=(self), ${NO_DEVICES}`,
  };
}

/**
 * The origin at which this page's browser reaches the WHIP listener; `dashboard/src/publish/whip-endpoint.ts` comes to
 * the same. One bound to every address is reached where the page is; a policy cannot name an IPv6 literal.
 */
function whipOrigin(whipUrl: string, host: string): string {
  const url = new URL(whipUrl);
  if (url.hostname === "0.0.0.0" || url.hostname === "[::]") url.hostname = new URL(`http://${host}`).hostname;
  if (url.hostname === "[::1]") url.hostname = "localhost";
  return url.origin;
}
