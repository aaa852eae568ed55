/** The headers of every answer: what a page of this server may load, run and be embedded in. */

/** Nothing inline, no eval, nothing from elsewhere; and no text becomes markup or script, whatever it holds. */
export function contentSecurityPolicy(connectTo: readonly string[] = []): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "font-src 'self'",
    ["connect-src 'self'", ...connectTo].join(" "),
    "manifest-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** Features that no page of this server uses. */
export const NO_DEVICES = "microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=()";

export const SECURITY_HEADERS = {
  "content-security-policy": contentSecurityPolicy(),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": `camera=(), display-capture=(), ${NO_DEVICES}`,
} as const;
