/** The SDP answer and the ICE fragments of a session (RFC 9725, 4.2 and 4.3; RFC 8840). Pure. */
import { type IceCredentials, attributeOf, iceCredentialsOf, malformed, readSdpLines } from "./sdp-lines.ts";
import type { WhipOffer } from "./sdp-offer.ts";
import type { Remote } from "./stun.ts";

export interface AnswerOptions {
  readonly offer: WhipOffer;
  readonly ice: IceCredentials;
  /** SHA-256 of the server's certificate, in the form of SDP. */
  readonly fingerprint: string;
  readonly candidates: readonly Remote[];
}

/** Type preference of host candidates, then the earlier one first (RFC 8445, 5.1.2.1). */
const HOST_PREFERENCE = 126 * 2 ** 24;

export function renderAnswer({ offer, ice, fingerprint, candidates }: AnswerOptions): string {
  const lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite", `a=group:BUNDLE ${offer.media.map(({ mid }) => mid).join(" ")}`];
  offer.media.forEach((media, index) => {
    const { kind, payloadType } = media;
    lines.push(
      `m=${kind} 9 ${media.protocol} ${payloadType}`,
      "c=IN IP4 0.0.0.0",
      "a=rtcp:9 IN IP4 0.0.0.0",
      `a=ice-ufrag:${ice.ufrag}`,
      `a=ice-pwd:${ice.password}`,
      `a=fingerprint:sha-256 ${fingerprint}`,
      "a=setup:passive",
      `a=mid:${media.mid}`,
      "a=recvonly",
      "a=rtcp-mux",
      "a=rtcp-rsize",
    );
    if (media.rtpmap !== undefined) lines.push(`a=rtpmap:${payloadType} ${media.rtpmap}`);
    if (media.fmtp !== undefined) lines.push(`a=fmtp:${payloadType} ${media.fmtp}`);
    for (const name of media.feedback) lines.push(`a=rtcp-fb:${payloadType} ${name}`);
    // The others are bundled onto the transport of the first.
    if (index === 0) lines.push(...candidateLines(candidates), "a=end-of-candidates");
  });
  return `${lines.join("\r\n")}\r\n`;
}

/** Body of the answer to an ICE restart. */
export function renderRestart(ice: IceCredentials, candidates: readonly Remote[], mid: string): string {
  return `${["a=ice-lite", `a=ice-ufrag:${ice.ufrag}`, `a=ice-pwd:${ice.password}`, "m=audio 9 RTP/AVP 0", `a=mid:${mid}`, ...candidateLines(candidates), "a=end-of-candidates"].join("\r\n")}\r\n`;
}

function candidateLines(candidates: readonly Remote[]): string[] {
  return candidates.map(({ address, port }, index) => `a=candidate:${index + 1} 1 udp ${HOST_PREFERENCE + (65_535 - index) * 256 + 255} ${address} ${port} typ host`);
}

export interface IceFragment {
  readonly ice: IceCredentials | null;
  readonly candidates: number;
}

const MAX_CANDIDATES = 64;

/** @throws TruecastError sdp-malformed */
export function readFragment(text: string): IceFragment {
  const { session, sections } = readSdpLines(text, /^[am]=/);
  const all = [session, ...sections];
  if (sections.some((section) => attributeOf(section, "mid") === undefined)) throw malformed("a media section without a mid");
  const candidates = all.flatMap(({ attributes }) => attributes.filter((attribute) => attribute.startsWith("candidate:")));
  if (candidates.length > MAX_CANDIDATES) throw malformed(`more than ${MAX_CANDIDATES} candidates`);
  // Read no further: a lite agent answers checks and starts none, so a client's address needs no resolving.
  if (candidates.some((candidate) => candidate.split(" ").length < 8)) throw malformed("a candidate that cannot be read");
  return { ice: iceCredentialsOf(...all), candidates: candidates.length };
}
