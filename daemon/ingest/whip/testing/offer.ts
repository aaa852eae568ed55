/** An offer as browsers make it, with any line changed, and WHIP requests over real HTTP. */

export const FINGERPRINT = Array.from({ length: 32 }, (_, index) => index.toString(16).padStart(2, "0").toUpperCase()).join(":");
export const CLIENT_UFRAG = "EsAw";
export const CLIENT_PASSWORD = "P2uYro0UCOQ4zxjKXaWCBui1";

export interface OfferParts {
  readonly session?: readonly string[];
  readonly audio?: readonly string[] | null;
  readonly video?: readonly string[] | null;
  readonly more?: readonly string[];
}

const transport = [`a=ice-ufrag:${CLIENT_UFRAG}`, `a=ice-pwd:${CLIENT_PASSWORD}`, "a=ice-options:trickle", `a=fingerprint:sha-256 ${FINGERPRINT}`, "a=setup:actpass"];

export const AUDIO = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", ...transport, "a=mid:0", "a=bundle-only", "a=sendonly", "a=msid:stream-1 track-a", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"];
export const VIDEO = [
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102",
  "c=IN IP4 0.0.0.0",
  ...transport,
  "a=mid:1",
  "a=bundle-only",
  "a=sendonly",
  "a=msid:stream-1 track-v",
  "a=rtcp-mux",
  "a=rtpmap:96 VP8/90000",
  "a=rtcp-fb:96 nack",
  "a=rtcp-fb:96 nack pli",
  "a=rtcp-fb:96 transport-cc",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=rtpmap:102 H264/90000",
  "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
];
/** With H.264 alone. */
export const H264_VIDEO = VIDEO.filter((line) => !/^a=(?:rtpmap|fmtp|rtcp-fb):9[67] /.test(line)).map((line) => line.replace("SAVPF 96 97 102", "SAVPF 102"));
export const SESSION = ["v=0", "o=- 5228595038118931041 2 IN IP4 127.0.0.1", "s=-", "t=0 0"];

export function makeOffer({ session = [...SESSION, "a=group:BUNDLE 0 1"], audio = AUDIO, video = VIDEO, more = [] }: OfferParts = {}): string {
  return [...session, ...(audio ?? []), ...(video ?? []), ...more, ""].join("\r\n");
}

/** The lines with each `from` line replaced; an undefined replacement removes it. */
export function changed(lines: readonly string[], changes: Readonly<Record<string, string | undefined>>): string[] {
  for (const from of Object.keys(changes)) if (!lines.includes(from)) throw new Error(`no line ${from}`);
  return lines.flatMap((line) => (line in changes ? (changes[line] === undefined ? [] : [changes[line]]) : [line]));
}

export interface WhipRequest {
  readonly method: string;
  readonly path: string;
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type WhipFetch = (request: WhipRequest) => Promise<Response>;

export function whipClient(port: number, defaultKey: string): WhipFetch {
  return ({ method, path, key = defaultKey, headers = {}, body }) =>
    fetch(`http://127.0.0.1:${port}${path}`, { method, redirect: "manual", headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers }, ...(body === undefined ? {} : { body }) });
}
