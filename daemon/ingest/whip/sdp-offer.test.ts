/** Which codec is chosen from an offer. */
import { expect, test } from "vitest";
import { readOffer } from "./sdp-offer.ts";
import { VIDEO, makeOffer } from "./testing/offer.ts";

/** An offer of these codecs in this order. */
function offerOf(...codecs: readonly string[]): string {
  const rest = VIDEO.filter((line) => !line.startsWith("m=") && !/^a=(?:rtpmap|fmtp|rtcp-fb):/.test(line));
  const payloads = codecs.map((_codec, index) => 96 + index);
  return makeOffer({ video: [`m=video 9 UDP/TLS/RTP/SAVPF ${payloads.join(" ")}`, ...rest, ...codecs.map((codec, index) => `a=rtpmap:${96 + index} ${codec}/90000`)] });
}

test.each([
  [["AV1", "VP9", "VP8", "H264"], null, "av1"],
  [["VP9", "H264"], null, "vp9"],
  [["rtx", "H265", "VP8", "H264"], null, "vp8"],
  [["AV1", "VP9", "VP8", "H264"], ["h264", "vp8"], "h264"],
  [["AV1", "VP9", "VP8"], ["h264", "vp8"], "vp8"],
  [["VP8", "AV1"], ["av1", "vp8"], "av1"],
] as const)("of %j, with %j configured, %s is taken", (offered, codecs, chosen) => {
  const { video } = readOffer(offerOf(...offered), codecs);
  expect(video.codec).toBe(chosen);
  expect(offered[video.payloadType - 96]?.toLowerCase()).toBe(chosen);
});

test("a name that every object has is no codec", () => {
  expect(readOffer(offerOf("x", "H264").replace("a=rtpmap:96 x/90000", "a=rtpmap:96 constructor"), null).video).toEqual({ codec: "h264", payloadType: 97 });
});

test("an offer of nothing that is taken is refused with what it offers and what would be", () => {
  expect(() => readOffer(offerOf("H265", "AV1"), null)).not.toThrow();
  expect(() => readOffer(offerOf("H265", "rtx"), null)).toThrow("The offer has no video codec that is taken here (H265, rtx); publish one of H.264, VP8, VP9, AV1.");
  expect(() => readOffer(offerOf("VP9", "AV1"), ["h264", "vp8"])).toThrow("The offer has no video codec that is taken here (VP9, AV1); publish one of H.264, VP8.");
});
