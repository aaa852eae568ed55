/** The texts of WHIP: ICE servers in Link headers (RFC 9725, 4.6) and trickled candidates as an SDP fragment (RFC 8840, 9). Pure. */

/** Links of another relation are left out. */
export function iceServersOf(linkHeader: string | null): RTCIceServer[] {
  const links = (linkHeader ?? "").match(/<[^>]*>(?:[^,"]|"(?:[^"\\]|\\.)*")*/g) ?? [];
  return links.flatMap((link) => {
    const url = /^<([^>]*)>/.exec(link)?.[1] ?? "";
    const parameters = new Map([...link.matchAll(/;\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;",]+))/g)].map(([, name = "", quoted, bare]) => [name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? ""]));
    if (parameters.get("rel") !== "ice-server" || !/^(?:stuns?|turns?):/i.test(url)) return [];
    const username = parameters.get("username");
    const credential = parameters.get("credential");
    return [{ urls: url, ...(username === undefined ? {} : { username }), ...(credential === undefined ? {} : { credential }) }];
  });
}

/** All candidates of the bundled transport, and that there are no more. */
export function candidateFragment(offer: string, candidates: readonly string[]): string {
  const line = (pattern: RegExp): string => pattern.exec(offer)?.[0] ?? "";
  const lines = [line(/^a=ice-ufrag:.*$/m), line(/^a=ice-pwd:.*$/m), line(/^m=.*$/m), line(/^a=mid:.*$/m), ...candidates.map((candidate) => `a=${candidate}`), "a=end-of-candidates", ""];
  return lines.map((text) => text.trim()).join("\r\n");
}
