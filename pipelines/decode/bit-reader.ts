/** Bits of a header, most significant first; reading past the end throws, so that no header can lead further than its bytes. */
import { TruecastError } from "../errors.ts";

export interface BitReader {
  /** An unsigned number of `count` bits. */
  fixed(count: number): number;
  /** Unsigned Exp-Golomb (ITU-T H.264, 9.1); the signed kind has the same length. */
  exp(): number;
  signedExp(): number;
}

/** @param what Names the header in the error. Reads throw TruecastError protocol-violation. */
export function createBitReader(bytes: Uint8Array, what: string): BitReader {
  let position = 0;
  function bit(): number {
    const byte = bytes[position >> 3];
    if (byte === undefined) throw malformedHeader(what);
    const value = (byte >> (7 - (position & 7))) & 1;
    position++;
    return value;
  }
  function fixed(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 2 + bit();
    return value;
  }
  function exp(): number {
    let zeros = 0;
    while (bit() === 0) {
      zeros++;
      if (zeros > 31) throw malformedHeader(what);
    }
    return 2 ** zeros - 1 + fixed(zeros);
  }
  function signedExp(): number {
    const code = exp();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
  return { fixed, exp, signedExp };
}

export function malformedHeader(what: string): TruecastError {
  return new TruecastError("protocol-violation", `The ${what} is malformed.`);
}

/** 00 00 03 stands for 00 00 (ITU-T H.264, 7.4.1; H.265, 7.4.2). */
export function withoutEmulationPrevention(bytes: Uint8Array): Uint8Array {
  const plain = new Uint8Array(bytes.length);
  let length = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    plain[length++] = byte;
  }
  return plain.subarray(0, length);
}
