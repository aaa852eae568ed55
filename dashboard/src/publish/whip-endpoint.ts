/** Whether this page can publish at all, and to which address. Pure. */
import type { Problem } from "./problem.ts";

export interface Page {
  /** `https:` or `http:`. */
  readonly protocol: string;
  readonly hostname: string;
  readonly isSecureContext: boolean;
  readonly hasMediaDevices: boolean;
}

export type WhipEndpoint =
  /** `url` lacks the stream's name. */
  | { readonly kind: "usable"; readonly url: string }
  | { readonly kind: "unusable"; readonly why: "whip-off" | "insecure-page" | "insecure-endpoint" | "no-devices" };

/** @param whipUrl of the WHIP listener as the daemon gives it; null when it is switched off */
export function whipEndpoint(whipUrl: string | null, page: Page): WhipEndpoint {
  if (whipUrl === null) return { kind: "unusable", why: "whip-off" };
  if (!page.isSecureContext) return { kind: "unusable", why: "insecure-page" };
  if (!page.hasMediaDevices) return { kind: "unusable", why: "no-devices" };
  const url = new URL(whipUrl);
  // Bound to every address: then it is reached where this page was. The daemon's policy for the page comes to the same.
  if (url.hostname === "0.0.0.0" || url.hostname === "[::]") url.hostname = page.hostname;
  if (url.hostname === "[::1]") url.hostname = "localhost";
  if (page.protocol === "https:" && url.protocol === "http:" && !isLoopback(url.hostname)) return { kind: "unusable", why: "insecure-endpoint" };
  return { kind: "usable", url: url.href };
}

export function streamEndpoint(url: string, stream: string): string {
  return `${url}/${encodeURIComponent(stream)}`;
}

export function thisPage(): Page {
  // Undefined in a page that is no secure context, whatever its type says.
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  return { protocol: window.location.protocol, hostname: window.location.hostname, isSecureContext: window.isSecureContext, hasMediaDevices: devices !== undefined };
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.startsWith("127.");
}

type Why = Extract<WhipEndpoint, { kind: "unusable" }>["why"];

export function problemOfEndpoint(why: Why): Omit<Problem, "passing"> {
  switch (why) {
    case "whip-off":
      return { title: "Publishing from a browser is switched off.", advice: "Set whip.enabled in the configuration and restart the daemon, or publish over RTMP." };
    case "insecure-page":
      return {
        title: "The browser gives this page no camera.",
        advice: `Browsers give camera and screen only to pages opened over HTTPS or on the same machine, and this one came from ${window.location.origin}. On the machine that runs Truecast open http://localhost:${window.location.port || "80"}/, or put a TLS proxy before Truecast and open its https:// address. OBS needs neither.`,
      };
    case "insecure-endpoint":
      return { title: "This page cannot reach Truecast's WHIP port.", advice: "The page came over HTTPS, and the browser then refuses plain http:// addresses. Let the TLS proxy pass /whip on to whip.port, and set whip.publicUrl to that https:// address." };
    case "no-devices":
      return { title: "This browser cannot use cameras.", advice: "Use a current Chrome, Edge, Firefox or Safari, or OBS." };
  }
}
