/** A WHIP offer understood and judged (RFC 9725, 4.2 and 4.4): what is to be received, or why not. Pure. */
import { TruecastError } from "../../../pipelines/errors.ts";
import type { WhipCodec } from "../messages.ts";
import { type IceCredentials, type SdpSection, attributeOf, attributesOf, iceCredentialsOf, malformed, readSdpLines } from "./sdp-lines.ts";

export interface Fingerprint {
  /** As node:crypto names it. */
  readonly hash: "sha256" | "sha384" | "sha512";
  readonly digest: Buffer;
}

export interface OfferedMedia {
  readonly kind: "audio" | "video";
  readonly mid: string;
  readonly protocol: string;
  readonly payloadType: number;
  /** Of the chosen payload, repeated in the answer. */
  readonly rtpmap: string | undefined;
  readonly fmtp: string | undefined;
  readonly feedback: readonly string[];
}

export interface WhipOffer {
  /** In the offer's order, which the answer must keep. */
  readonly media: readonly OfferedMedia[];
  readonly video: { readonly payloadType: number; readonly codec: WhipCodec };
  readonly audioPayloadType: number | null;
  readonly ice: IceCredentials;
  readonly fingerprints: readonly Fingerprint[];
}

/** By the publisher's own text, hence no object: `constructor` is a name in each of those. */
const CODECS: ReadonlyMap<string, WhipCodec> = new Map([["H264/90000", "h264"], ["VP8/90000", "vp8"], ["VP9/90000", "vp9"], ["AV1/90000", "av1"]]);
const CODEC_NAMES: Readonly<Record<WhipCodec, string>> = { h264: "H.264", vp8: "VP8", vp9: "VP9", av1: "AV1" };
/** Feedback that is sent; anything more in the answer would be a promise. */
const FEEDBACK = ["nack", "nack pli", "goog-remb"];
const HASHES: Readonly<Record<string, { readonly hash: Fingerprint["hash"]; readonly bytes: number }>> = {
  "sha-256": { hash: "sha256", bytes: 32 },
  "sha-384": { hash: "sha384", bytes: 48 },
  "sha-512": { hash: "sha512", bytes: 64 },
};
const MAX_PAYLOADS = 64;

/**
 * @param codecs Those that are taken, the preferred first; null: all, as the publisher prefers them.
 * @throws TruecastError sdp-malformed, offer-refused, codec-unsupported
 */
export function readOffer(text: string, codecs: readonly WhipCodec[] | null): WhipOffer {
  const { session, sections } = readSdpLines(text, /^v=0$/);
  const video = sections.filter(({ media }) => media.startsWith("video "));
  const audio = sections.filter(({ media }) => media.startsWith("audio "));
  if (sections.length === 0) throw malformed("no media section");
  if (video.length + audio.length < sections.length) throw refused("Only audio and video can be published; leave data channels out.");
  if (video.length !== 1 || audio.length > 1) throw refused(`The offer has ${video.length} video and ${audio.length} audio sections; one video and at most one audio can be published.`);
  checkBundle(session, sections);
  checkSingleStream(sections);

  const media = sections.map((section) => readMedia(section, { session, codecs }));
  const chosen = media.find(({ kind }) => kind === "video");
  const codec = CODECS.get(chosen?.rtpmap ?? "");
  const [first] = sections;
  const ice = first && iceCredentialsOf(first, session);
  if (!ice) throw malformed("no ice-ufrag and ice-pwd");
  if (!chosen || !codec) throw new TruecastError("internal", "An offer without a codec was let through.");
  return { media, video: { payloadType: chosen.payloadType, codec }, audioPayloadType: media.find(({ kind }) => kind === "audio")?.payloadType ?? null, ice, fingerprints: readFingerprints(sections, session) };
}

/** RFC 9725, 4.4.1. */
function checkBundle(session: SdpSection, sections: readonly SdpSection[]): void {
  const mids = sections.map((section) => attributeOf(section, "mid"));
  if (mids.some((mid) => mid === undefined || !/^[A-Za-z0-9._-]{1,32}$/.test(mid)) || new Set(mids).size < mids.length) throw malformed("a media section without a mid of its own");
  const groups = attributesOf(session, "group").filter((group) => group.startsWith("BUNDLE"));
  const bundled = groups[0]?.split(" ").slice(1) ?? [];
  if (groups.length > 1 || (sections.length > 1 && mids.some((mid) => !bundled.includes(mid ?? "")))) throw refused("All media sections must be in one BUNDLE group.");
  if (sections.some(({ attributes }) => !attributes.includes("rtcp-mux"))) throw refused("Each media section must offer rtcp-mux.");
}

/** RFC 9725, 4.4.2. */
function checkSingleStream(sections: readonly SdpSection[]): void {
  const streams = new Set(sections.flatMap((section) => attributesOf(section, "msid").map((msid) => msid.split(" ")[0])));
  if (streams.size > 1) throw refused("All tracks must belong to one MediaStream.");
  if (sections.some((section) => attributesOf(section, "msid").length > 1)) throw refused("A media section can carry one track.");
}

function readMedia(section: SdpSection, { session, codecs }: { readonly session: SdpSection; readonly codecs: readonly WhipCodec[] | null }): OfferedMedia {
  const [kind, port, protocol = "", ...formats] = section.media.split(" ");
  if (kind !== "audio" && kind !== "video") throw malformed("a media section of no known kind");
  if (!/^\d{1,5}$/.test(port ?? "") || formats.length === 0 || formats.length > MAX_PAYLOADS || formats.some((format) => !/^\d{1,3}$/.test(format) || Number(format) > 127)) throw malformed("a media line that cannot be read");
  if (!/^(UDP|TCP)\/(DTLS|TLS)\/RTP\/SAVPF$/.test(protocol)) throw refused(`The transport ${protocol} is not offered here; it must be UDP/TLS/RTP/SAVPF.`);
  const setup = attributeOf(section, "setup") ?? attributeOf(session, "setup");
  if (setup !== "actpass" && setup !== "active") throw refused('The DTLS setup must be "actpass" or "active".');
  const direction = [...section.attributes, ...session.attributes].find((attribute) => /^(sendrecv|sendonly|recvonly|inactive)$/.test(attribute)) ?? "sendrecv";
  if (direction !== "sendonly" && direction !== "sendrecv") throw refused(`A publisher must send, but the offer says ${direction}.`);

  const value = (name: string, payload: string) => attributesOf(section, name).find((attribute) => attribute.startsWith(`${payload} `))?.slice(payload.length + 1);
  const payload = kind === "video" ? chooseVideo(formats, { value, codecs }) : (formats.find((format) => /^opus\//i.test(value("rtpmap", format) ?? "")) ?? formats[0] ?? "0");
  const feedback = attributesOf(section, "rtcp-fb").filter((entry) => entry.startsWith(`${payload} `) || entry.startsWith("* ")).map((entry) => entry.slice(entry.indexOf(" ") + 1));
  return {
    kind,
    mid: attributeOf(section, "mid") ?? "",
    protocol,
    payloadType: Number(payload),
    rtpmap: value("rtpmap", payload),
    fmtp: value("fmtp", payload),
    feedback: kind === "video" ? FEEDBACK.filter((name) => feedback.includes(name)) : [],
  };
}

/** The first usable codec, in the publisher's order of preference or in the configured one. */
function chooseVideo(formats: readonly string[], { value, codecs }: { readonly value: (name: string, payload: string) => string | undefined; readonly codecs: readonly WhipCodec[] | null }): string {
  const usable = formats.flatMap((format) => {
    const codec = CODECS.get(value("rtpmap", format) ?? "");
    // Mode 2 interleaves NAL units over packets; nobody sends it, and nothing here reads it.
    return codec === undefined || (codec === "h264" && /packetization-mode=2/.test(value("fmtp", format) ?? "")) ? [] : [{ format, codec }];
  });
  const chosen = codecs === null ? usable[0] : codecs.map((wanted) => usable.find(({ codec }) => codec === wanted)).find((found) => found !== undefined);
  if (chosen !== undefined) return chosen.format;
  const offered = new Set(formats.map((format) => value("rtpmap", format)?.split("/")[0] ?? `payload ${format}`));
  const taken = (codecs ?? [...CODECS.values()]).map((codec) => CODEC_NAMES[codec]).join(", ");
  throw new TruecastError("codec-unsupported", `The offer has no video codec that is taken here (${[...offered].slice(0, 10).join(", ")}); publish one of ${taken}.`);
}

function readFingerprints(sections: readonly SdpSection[], session: SdpSection): readonly Fingerprint[] {
  const [first] = sections;
  const own = first === undefined ? [] : attributesOf(first, "fingerprint");
  const all = (own.length > 0 ? own : attributesOf(session, "fingerprint")).slice(0, 8);
  const known = all.flatMap((value) => {
    const [algorithm = "", text = ""] = value.split(" ");
    const entry = HASHES[algorithm.toLowerCase()];
    if (entry === undefined) return [];
    const digest = Buffer.from(text.replaceAll(":", ""), "hex");
    if (digest.length !== entry.bytes) throw malformed("a fingerprint of the wrong length");
    return [{ hash: entry.hash, digest }];
  });
  if (all.length === 0) throw malformed("no fingerprint");
  if (known.length === 0) throw refused("The certificate's fingerprint must be given as SHA-256, SHA-384 or SHA-512.");
  return known;
}

function refused(message: string): TruecastError {
  return new TruecastError("offer-refused", message);
}
