/** Deep links by hash: the wall, one stream, or the alerts. */

export type Route = { readonly kind: "wall" } | { readonly kind: "stream"; readonly name: string } | { readonly kind: "alerts" };

/** Anything that is no known link is the wall; a stream's name may hold any character. */
export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#\/?/, "");
  if (path === "alerts") return { kind: "alerts" };
  const match = /^streams\/([^/]+)$/.exec(path);
  if (match?.[1] === undefined) return { kind: "wall" };
  try {
    return { kind: "stream", name: decodeURIComponent(match[1]) };
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
    case "stream":
      return `#/streams/${encodeURIComponent(route.name)}`;
  }
}
