/**
 * Reads the AMF0 values of an RTMP command (Adobe AMF 0 specification, section 2) with bounds on depth, count and length.
 * node-media-server's own reader follows lengths and nesting without bounds, so client bytes go through this one.
 */
import { TruecastError } from "../../pipelines/errors.ts";

export type AmfValue = number | boolean | string | null | undefined | AmfObject | readonly AmfValue[];
/** A Map, so that a property named `__proto__` is only a name. */
export type AmfObject = ReadonlyMap<string, AmfValue>;

export interface AmfLimits {
  readonly maxAmfDepth: number;
  readonly maxAmfValues: number;
}

/** All values in `bytes`, in order. @throws TruecastError protocol-violation */
export function readAmf0(bytes: Buffer, limits: AmfLimits): readonly AmfValue[] {
  let offset = 0;
  let values = 0;

  const take = (length: number): number => {
    const start = offset;
    if (length > bytes.length - start) throw new TruecastError("protocol-violation", "An AMF0 value ends before its declared length.");
    offset = start + length;
    return start;
  };
  const text = (length: number): string => {
    const start = take(length);
    return bytes.toString("utf8", start, offset);
  };
  const uint8 = () => bytes.readUInt8(take(1));
  const uint16 = () => bytes.readUInt16BE(take(2));
  const uint32 = () => bytes.readUInt32BE(take(4));

  const properties = (depth: number): AmfObject => {
    const object = new Map<string, AmfValue>();
    for (;;) {
      const name = text(uint16());
      if (name === "" && bytes[offset] === 0x09) {
        offset += 1;
        return object;
      }
      object.set(name, value(depth + 1));
    }
  };

  const value = (depth: number): AmfValue => {
    values += 1;
    if (depth > limits.maxAmfDepth) throw new TruecastError("protocol-violation", "AMF0 values are nested too deep.");
    if (values > limits.maxAmfValues) throw new TruecastError("protocol-violation", "A command has too many AMF0 values.");
    const marker = uint8();
    switch (marker) {
      case 0x00:
        return bytes.readDoubleBE(take(8));
      case 0x01:
        return uint8() !== 0;
      case 0x02:
        return text(uint16());
      case 0x03:
        return properties(depth);
      case 0x05:
        return null;
      case 0x06:
      case 0x0d:
        return undefined;
      case 0x07:
        take(2); // Reference to an earlier object: no command of a publisher needs one.
        return undefined;
      case 0x08:
        take(4); // Declared count of an ECMA array; it is advisory, the end marker counts.
        return properties(depth);
      case 0x0a: {
        const count = uint32();
        const array: AmfValue[] = [];
        for (let index = 0; index < count; index += 1) array.push(value(depth + 1));
        return array;
      }
      case 0x0b: {
        const milliseconds = bytes.readDoubleBE(take(8));
        take(2); // Time zone; reserved, must be 0.
        return milliseconds;
      }
      case 0x0c:
      case 0x0f:
        return text(uint32());
      case 0x10:
        text(uint16()); // Class name.
        return properties(depth);
      default:
        throw new TruecastError("protocol-violation", `AMF0 type 0x${marker.toString(16).padStart(2, "0")} is not offered.`);
    }
  };

  const all: AmfValue[] = [];
  while (offset < bytes.length) all.push(value(0));
  return all;
}
