/** What Enhanced RTMP's `connect` is answered with: the codecs taken here, so that an encoder can choose before it sends. Pure. */
import { FOUR_CCS } from "../../pipelines/decode/video-tag.ts";
import type { AmfObject } from "./amf0.ts";

/** FourCcInfoMask.CanDecode. */
const CAN_DECODE = 0x01;
/** CapsExMask.ModEx: modifiers are read past. Neither reconnect requests, multitrack nor nanoseconds. */
const CAPS_EX = 0x04;

/** Properties of the answer, one for each that the client brought itself: an older client meets nothing new. */
export function enhancedCapabilities(offered: AmfObject): Readonly<Record<string, unknown>> {
  const fourCcs = Object.keys(FOUR_CCS);
  return {
    // node-media-server's writer takes an array for a strict one only with this mark.
    ...(offered.has("fourCcList") ? { fourCcList: Object.assign(fourCcs.slice(), { sarray: true }) } : {}),
    ...(offered.has("videoFourCcInfoMap") ? { videoFourCcInfoMap: Object.fromEntries(fourCcs.map((fourCc) => [fourCc, CAN_DECODE])) } : {}),
    ...(offered.has("capsEx") ? { capsEx: CAPS_EX } : {}),
  };
}
