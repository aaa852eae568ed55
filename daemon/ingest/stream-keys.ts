/** Finds the stream that a key belongs to, in a time that does not depend on the key. */
import { createHash, timingSafeEqual } from "node:crypto";
import { TruecastError } from "../../pipelines/errors.ts";
import type { StreamKeyOption } from "./messages.ts";

export const STREAM_KEY_PATTERN = /^[A-Za-z0-9_-]{8,128}$/;

export interface KnownStream {
  readonly name: string;
  /** SHA-256 of the key; stands for it wherever it must be remembered. */
  readonly keyDigest: Buffer;
}

export interface StreamKeys {
  /** @throws TruecastError path-refused, key-unknown. Neither repeats the key. */
  streamOf(candidate: string): KnownStream;
  /** True while this very key still opens this stream. */
  holds(stream: KnownStream): boolean;
}

/** @throws TruecastError config-invalid, naming the streams but never their keys */
export function createStreamKeys(streams: readonly StreamKeyOption[]): StreamKeys {
  const known: KnownStream[] = [];
  for (const { name, key } of streams) {
    if (!STREAM_KEY_PATTERN.test(key)) throw new TruecastError("config-invalid", `The key of stream "${name}" must have 8 to 128 of the characters A-Z a-z 0-9 _ -.`);
    const keyDigest = digest(key);
    for (const other of known) {
      if (other.name === name) throw new TruecastError("config-invalid", `Stream "${name}" is configured twice.`);
      if (other.keyDigest.equals(keyDigest)) throw new TruecastError("config-invalid", `Streams "${other.name}" and "${name}" have the same key.`);
    }
    known.push({ name, keyDigest });
  }

  return {
    streamOf(candidate) {
      if (!STREAM_KEY_PATTERN.test(candidate)) throw new TruecastError("path-refused", "The stream key has characters or a length that no key has.");
      const candidateDigest = digest(candidate);
      // Every key is compared, also after a match: the time taken says nothing about which one matched.
      let position = 0;
      known.forEach((stream, index) => {
        position += Number(timingSafeEqual(stream.keyDigest, candidateDigest)) * (index + 1);
      });
      const match = known[position - 1];
      if (match === undefined) throw new TruecastError("key-unknown", "The stream key matches no configured stream.");
      return match;
    },
    holds: (stream) => known.some((other) => other.name === stream.name && timingSafeEqual(other.keyDigest, stream.keyDigest)),
  };
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
