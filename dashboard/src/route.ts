/** Deep links by hash: the wall, one stream, the alerts, or publishing. */

export type Route =
  | { readonly kind: "wall" }
  | { readonly kind: "stream"; readonly name: string }
  | { readonly kind: "alerts" }
  /** `name`: the stream to publish to; null leaves the choice open. */
  | { readonly kind: "publish"; readonly name: string | null };

/** Anything that is no known link is the wall; a stream's name may hold any character. */
export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#\/?/, "");
  if (path === "alerts") return { kind: "alerts" };
  if (path === "publish") return { kind: "publish", name: null };
  const match = /^(streams|publish)\/([^/]+)$/.exec(path);
  if (match?.[2] === undefined) return { kind: "wall" };
  try {
    return { kind: match[1] === "publish" ? "publish" : "stream", name: decodeURIComponent(match[2]) };
  } catch {
    // A hand-typed link with a broken percent escape.
    return { kind: "wall" };
  }
}

export function hrefOf(route: Route): string {
  switch (route.kind) {
    case "wall":
      return "#/";
    case "alerts":
      return "#/alerts";
    case "publish":
      return route.name === null ? "#/publish" : `#/publish/${encodeURIComponent(route.name)}`;
    case "stream":
      return `#/streams/${encodeURIComponent(route.name)}`;
  }
}
