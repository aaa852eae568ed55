/** What the packets of each codec say of the picture, and the form in which they go to ffmpeg. Pure; one for each publisher and codec. */
import { TruecastError } from "../errors.ts";
import { AV1_UNIT, TEMPORAL_DELIMITER, av1ConfigurationHeader, readAv1SequenceHeader, readAv1Units } from "./av1-units.ts";
import { type HevcConfiguration, readHevcConfiguration, toByteStream } from "./hevc-configuration.ts";
import type { VideoHeader } from "./packet-history.ts";
import { readAvcConfiguration } from "./sequence-parameter-set.ts";
import type { LiveVideoCodec } from "./video-tag.ts";
import { readVp8Keyframe } from "./vp8-keyframe.ts";
import { readVp9Keyframe } from "./vp9-keyframe.ts";

export interface Picture {
  readonly header: VideoHeader;
  readonly widthPx: number;
  readonly heightPx: number;
}

export interface KeyframeReading {
  /** As it says itself, or as the sequence header has said it; null where no keyframe is ever refused. */
  readonly picture: Picture | null;
  readonly payload: Uint8Array;
}

export interface CodecReader {
  readonly codec: LiveVideoCodec;
  /** Null where only keyframes know the picture. @throws TruecastError protocol-violation */
  header(payload: Uint8Array): Picture | null;
  /** @throws TruecastError protocol-violation for what is none */
  keyframe(payload: Uint8Array): KeyframeReading;
  /** Null for a damaged packet, or one that nothing can be made of yet. */
  inter(payload: Uint8Array): Uint8Array | null;
}

export function createCodecReader(codec: LiveVideoCodec): CodecReader {
  switch (codec) {
    case "h264":
      return {
        codec,
        header: (payload) => ({ ...readAvcConfiguration(payload), header: { codec, payload } }),
        keyframe: (payload) => ({ picture: null, payload }),
        inter: (payload) => payload,
      };
    case "hevc":
      return createHevcReader();
    case "av1":
      return createAv1Reader();
    case "vp9":
    case "vp8":
      return {
        codec,
        header: () => null,
        keyframe(payload) {
          const { widthPx, heightPx } = codec === "vp8" ? readVp8Keyframe(payload) : readVp9Keyframe(payload);
          return { picture: { header: { codec, payload: Buffer.from(`${widthPx}x${heightPx}`) }, widthPx, heightPx }, payload };
        },
        inter: (payload) => payload,
      };
  }
}

function createHevcReader(): CodecReader {
  let configuration: HevcConfiguration | null = null;
  let picture: Picture | null = null;
  const byteStream = (payload: Uint8Array) => configuration && toByteStream(payload, configuration);
  return {
    codec: "hevc",
    header(payload) {
      // One that cannot be read replaces the one before all the same.
      configuration = null;
      configuration = readHevcConfiguration(payload);
      const { widthPx, heightPx } = configuration;
      picture = { header: { codec: "hevc", payload }, widthPx, heightPx };
      return picture;
    },
    keyframe(payload) {
      const units = byteStream(payload);
      if (configuration === null || units === null) throw broken("HEVC");
      // Said again, for most encoders send their sequence header once: a keyframe that could not be read ends with the next that can.
      return { picture, payload: Buffer.concat([configuration.parameterSets, units]) };
    },
    inter: byteStream,
  };
}

function createAv1Reader(): CodecReader {
  /** Of the configuration record: for keyframes that bring none. */
  let configured: Buffer | null = null;
  const unitsOf = (payload: Uint8Array) => readAv1Units(payload)?.filter(({ type }) => type !== AV1_UNIT.temporalDelimiter && type !== AV1_UNIT.padding && type !== AV1_UNIT.tileList) ?? null;
  return {
    codec: "av1",
    header(payload) {
      configured = av1ConfigurationHeader(payload);
      return configured === null ? null : pictureOf(configured);
    },
    keyframe(payload) {
      const units = unitsOf(payload);
      const own = units?.find(({ type }) => type === AV1_UNIT.sequenceHeader)?.bytes;
      const header = own ?? configured;
      if (!units || header === null) throw broken("AV1");
      return { picture: pictureOf(header), payload: Buffer.concat([TEMPORAL_DELIMITER, ...(own === undefined ? [header] : []), ...units.map(({ bytes }) => bytes)]) };
    },
    inter(payload) {
      const units = unitsOf(payload);
      return units && Buffer.concat([TEMPORAL_DELIMITER, ...units.map(({ bytes }) => bytes)]);
    },
  };
}

function pictureOf(sequenceHeader: Buffer): Picture {
  const [unit] = readAv1Units(sequenceHeader) ?? [];
  if (unit === undefined) throw broken("AV1");
  const { widthPx, heightPx } = readAv1SequenceHeader(unit.payload);
  return { header: { codec: "av1", payload: sequenceHeader }, widthPx, heightPx };
}

function broken(name: string): TruecastError {
  return new TruecastError("protocol-violation", `A keyframe in ${name} cannot be read.`);
}
