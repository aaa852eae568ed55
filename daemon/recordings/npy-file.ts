/** Writes crops as they come to a NumPy file (format 1.0, NEP 1) of shape [n, size, size, 3], uint8, C order. */
import { open } from "node:fs/promises";

/** The header is padded to this, so that it can be written again once n is known. NEP 1 wants a multiple of 64. */
const HEADER_BYTES = 128;

export interface NpyFile {
  readonly count: number;
  /** @param pixels RGB24 HWC, `size * size * 3` bytes */
  append(pixels: Uint8Array): Promise<void>;
  /** Writes the final header; until then the file says that it is empty. */
  close(): Promise<void>;
}

export async function createNpyFile(path: string, sizePx: number): Promise<NpyFile> {
  const handle = await open(path, "w");
  await handle.write(npyHeader([0, sizePx, sizePx, 3]));
  const cropBytes = sizePx * sizePx * 3;
  let count = 0;
  return {
    get count() {
      return count;
    },
    async append(pixels) {
      if (pixels.length !== cropBytes) throw new RangeError(`a crop of ${pixels.length} bytes where ${cropBytes} are expected`);
      await handle.write(pixels, 0, cropBytes, HEADER_BYTES + count * cropBytes);
      count++;
    },
    async close() {
      await handle.write(npyHeader([count, sizePx, sizePx, 3]), 0, HEADER_BYTES, 0);
      await handle.close();
    },
  };
}

/** Magic, version 1.0, header length (little endian), Python literal padded with spaces and ended by a newline. */
export function npyHeader(shape: readonly number[]): Buffer {
  const literal = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = Buffer.alloc(HEADER_BYTES, " ");
  header.write("\x93NUMPY\x01\x00", "latin1");
  header.writeUInt16LE(HEADER_BYTES - 10, 8);
  header.write(literal, 10, "latin1");
  header.write("\n", HEADER_BYTES - 1);
  return header;
}
