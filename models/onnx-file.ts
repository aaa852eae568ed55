/** Walks an ONNX file's protobuf far enough to tell whether any tensor keeps its data in another file. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/**
 * Message types of onnx.proto that can hold a tensor, and which of their fields lead to which message.
 * `external` is reached through TensorProto.external_data (13).
 */
const CHILDREN = {
  model: { 7: "graph", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  function: { 7: "node", 11: "attribute" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: { 13: "external" },
  external: {},
} as const satisfies Record<string, Record<number, string>>;
type Message = keyof typeof CHILDREN;

const BLOCK_BYTES = 64 * 1024;
/** Subgraphs within subgraphs; real models stay under five. */
const MAX_DEPTH = 64;

/** @throws Error when the file is not well-formed protobuf. */
export function hasExternalData(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const cursor = new FileCursor(fd);
    return findExternal(cursor, { message: "model", end: fstatSync(fd).size, depth: 0 });
  } finally {
    closeSync(fd);
  }
}

function findExternal(cursor: FileCursor, { message, end, depth }: { message: Message; end: number; depth: number }): boolean {
  if (message === "external") return true;
  if (depth > MAX_DEPTH) throw new Error("messages are nested too deeply");
  const children: Readonly<Record<number, Message>> = CHILDREN[message];
  while (cursor.position < end) {
    const tag = cursor.varint();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: {
        const value = cursor.varint();
        // TensorProto.data_location = EXTERNAL.
        if (message === "tensor" && field === 14 && value === 1) return true;
        break;
      }
      case 1:
        cursor.position += 8;
        break;
      case 2: {
        const length = cursor.varint();
        const childEnd = cursor.position + length;
        if (childEnd > end) throw new Error("a field reaches beyond its message");
        const child = children[field];
        if (child !== undefined && findExternal(cursor, { message: child, end: childEnd, depth: depth + 1 })) return true;
        cursor.position = childEnd;
        break;
      }
      case 5:
        cursor.position += 4;
        break;
      default:
        throw new Error(`unknown wire type ${tag % 8}`);
    }
  }
  if (cursor.position !== end) throw new Error("a field reaches beyond its message");
  return false;
}

/** Reads single bytes at any position through one block of memory, so that hundreds of megabytes of weights are skipped. */
class FileCursor {
  position = 0;
  readonly #fd: number;
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #blockStart = 0;
  #blockLength = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error("a number is too long");
  }

  #byte(): number {
    const offset = this.position - this.#blockStart;
    if (offset < 0 || offset >= this.#blockLength) {
      this.#blockStart = this.position;
      this.#blockLength = readSync(this.#fd, this.#block, 0, BLOCK_BYTES, this.position);
      if (this.#blockLength === 0) throw new Error("the file ends within a field");
    }
    const byte = this.#block[this.position - this.#blockStart];
    if (byte === undefined) throw new Error("the file ends within a field");
    this.position += 1;
    return byte;
  }
}
