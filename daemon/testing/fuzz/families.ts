/** All attacks there are. */
import { API_FAMILIES } from "./api-families.ts";
import { DATAGRAM_FAMILIES } from "./datagram-families.ts";
import type { FuzzFamily } from "./fuzz-case.ts";
import { RTMP_FAMILIES } from "./rtmp-families.ts";
import { WHIP_FAMILIES } from "./whip-families.ts";

export const FUZZ_FAMILIES: readonly FuzzFamily[] = [...RTMP_FAMILIES, ...WHIP_FAMILIES, ...DATAGRAM_FAMILIES, ...API_FAMILIES];
