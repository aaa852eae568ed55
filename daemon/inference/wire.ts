/** The bytes between the clients of the inference process and its Unix socket: length-prefixed, bounded messages. */
import { TruecastError } from "../../pipelines/errors.ts";
import type { CropReply, CropRequest } from "../../pipelines/types.ts";

export const WIRE_VERSION = 2;

/** First byte of a message. */
const CROP = 1;
const END_TRACK = 2;
const SERVER_JSON = 3;

const LENGTH_BYTES = 4;
/** Type, id (u32), slot (f64), divisor (u8), length of stream and of track (u16 each). */
const CROP_HEADER_BYTES = 1 + 4 + 8 + 1 + 2 + 2;
const DIVISORS: readonly number[] = [1, 2, 4];
const MAX_NAME_BYTES = 256;
/** Of everything but the pixels. */
export const MAX_OVERHEAD_BYTES = CROP_HEADER_BYTES + 2 * MAX_NAME_BYTES;

export type ClientMessage = { readonly kind: "crop"; readonly id: number; readonly request: CropRequest } | { readonly kind: "end-track"; readonly track: string };

/** What the server says; it comes from our own process, so its JSON is trusted once framed. */
export type ServerMessage =
  | { readonly kind: "hello"; readonly version: number; readonly model: string; readonly inputSizePx: number }
  | { readonly kind: "reply"; readonly id: number; readonly reply: CropReply }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };

/** Copies the pixels. @throws TruecastError internal: a name is too long */
export function encodeCrop(id: number, { stream, track, slot, divisor = 1, pixels }: CropRequest): Buffer {
  const streamBytes = nameBytes(stream);
  const trackBytes = nameBytes(track);
  const namesAt = LENGTH_BYTES + CROP_HEADER_BYTES;
  const pixelsAt = namesAt + streamBytes + trackBytes;
  const message = Buffer.allocUnsafe(pixelsAt + pixels.length);
  message.writeUInt32LE(message.length - LENGTH_BYTES, 0);
  message.writeUInt8(CROP, 4);
  message.writeUInt32LE(id, 5);
  message.writeDoubleLE(slot, 9);
  message.writeUInt8(divisor, 17);
  message.writeUInt16LE(streamBytes, 18);
  message.writeUInt16LE(trackBytes, 20);
  message.write(stream, namesAt);
  message.write(track, namesAt + streamBytes);
  message.set(pixels, pixelsAt);
  return message;
}

export function encodeEndTrack(track: string): Buffer {
  return frame(END_TRACK, Buffer.from(track, "utf8").subarray(0, nameBytes(track)));
}

export function encodeServerMessage(message: ServerMessage): Buffer {
  return frame(SERVER_JSON, Buffer.from(JSON.stringify(message), "utf8"));
}

/** @throws TruecastError protocol-violation */
export function decodeClientMessage(message: Buffer, cropBytes: number): ClientMessage {
  const type = message[0];
  if (type === END_TRACK) {
    if (message.length > 1 + MAX_NAME_BYTES) throw violation("a track's name is too long");
    return { kind: "end-track", track: message.toString("utf8", 1) };
  }
  if (type !== CROP || message.length < CROP_HEADER_BYTES) throw violation("unknown message");
  const slot = message.readDoubleLE(5);
  const divisor = message.readUInt8(13);
  const streamEnd = CROP_HEADER_BYTES + message.readUInt16LE(14);
  const trackEnd = streamEnd + message.readUInt16LE(16);
  if (streamEnd - CROP_HEADER_BYTES > MAX_NAME_BYTES || trackEnd - streamEnd > MAX_NAME_BYTES) throw violation("a name is too long");
  if (message.length - trackEnd !== cropBytes) throw violation(`a crop has ${cropBytes} bytes, not ${message.length - trackEnd}`);
  if (!Number.isSafeInteger(slot)) throw violation("a slot is not an integer");
  if (!DIVISORS.includes(divisor)) throw violation(`slots are sampled by ${divisor}`);
  const request = { stream: message.toString("utf8", CROP_HEADER_BYTES, streamEnd), track: message.toString("utf8", streamEnd, trackEnd), slot, divisor, pixels: message.subarray(trackEnd) };
  return { kind: "crop", id: message.readUInt32LE(1), request };
}

/** @throws TruecastError protocol-violation */
export function decodeServerMessage(message: Buffer): ServerMessage {
  if (message[0] !== SERVER_JSON) throw violation("unknown message");
  return JSON.parse(message.toString("utf8", 1)) as ServerMessage;
}

/** Cuts a byte stream into messages; holds at most one, of bounded size. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #header = Buffer.alloc(LENGTH_BYTES);
  #headerFilled = 0;
  #body: Buffer | null = null;
  #bodyFilled = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The messages completed by this chunk; each owns its bytes. @throws TruecastError protocol-violation */
  *push(chunk: Buffer): Generator<Buffer> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === null) {
        const copied = chunk.copy(this.#header, this.#headerFilled, at, at + LENGTH_BYTES - this.#headerFilled);
        at += copied;
        this.#headerFilled += copied;
        if (this.#headerFilled < LENGTH_BYTES) return;
        const length = this.#header.readUInt32LE(0);
        if (length === 0 || length > this.#maxBytes) throw violation(`a message of ${length} bytes; 1 to ${this.#maxBytes} are allowed`);
        this.#headerFilled = 0;
        this.#body = Buffer.allocUnsafeSlow(length);
        this.#bodyFilled = 0;
      }
      const copied = chunk.copy(this.#body, this.#bodyFilled, at);
      at += copied;
      this.#bodyFilled += copied;
      if (this.#bodyFilled === this.#body.length) {
        const message = this.#body;
        this.#body = null;
        yield message;
      }
    }
  }
}

function frame(type: number, body: Buffer): Buffer {
  const message = Buffer.allocUnsafe(LENGTH_BYTES + 1 + body.length);
  message.writeUInt32LE(1 + body.length, 0);
  message.writeUInt8(type, LENGTH_BYTES);
  message.set(body, LENGTH_BYTES + 1);
  return message;
}

function nameBytes(name: string): number {
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) throw new TruecastError("internal", `a name of ${bytes} bytes; ${MAX_NAME_BYTES} are allowed`);
  return bytes;
}

function violation(what: string): TruecastError {
  return new TruecastError("protocol-violation", `inference socket: ${what}`);
}
