/** Reads the picture size out of an AVC sequence header (ISO/IEC 14496-15 5.3.3.1, ITU-T H.264 7.3.2.1.1). */

export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Profiles whose parameter set carries chroma format, bit depths and scaling lists (H.264 7.3.2.1.1). */
const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** Size from an AVCDecoderConfigurationRecord, or null where it holds no readable parameter set. */
export function avcPictureSize(record: Buffer): PictureSize | null {
  if (record.length < 8 || record[0] !== 1 || ((record[5] ?? 0) & 0x1f) === 0) return null;
  const length = record.readUInt16BE(6);
  const nal = record.subarray(8, 8 + length);
  if (nal.length < length || length < 4) return null;
  const read = bitReader(withoutEmulationPrevention(nal));
  read.bits(8);
  const profile = read.bits(8);
  read.bits(16);
  read.unsigned();

  let chromaFormat = 1;
  let separatePlanes = false;
  if (HIGH_PROFILES.has(profile)) {
    chromaFormat = read.unsigned();
    if (chromaFormat === 3) separatePlanes = read.bits(1) === 1;
    read.unsigned();
    read.unsigned();
    read.bits(1);
    if (read.bits(1) === 1) {
      for (let list = 0; list < (chromaFormat === 3 ? 12 : 8); list += 1) if (read.bits(1) === 1) skipScalingList(read, list < 6 ? 16 : 64);
    }
  }
  read.unsigned();
  const orderCountType = read.unsigned();
  if (orderCountType === 0) {
    read.unsigned();
  } else if (orderCountType === 1) {
    read.bits(1);
    read.unsigned();
    read.unsigned();
    const cycle = read.unsigned();
    if (cycle > 255) return null; // The standard's limit; a greater number is an attack on the loop below.
    for (let index = 0; index < cycle; index += 1) read.unsigned();
  }
  read.unsigned();
  read.bits(1);
  const widthMacroblocks = read.unsigned() + 1;
  const heightMapUnits = read.unsigned() + 1;
  const fieldFactor = 2 - read.bits(1);
  if (fieldFactor === 2) read.bits(1);
  read.bits(1);
  const cropped = read.bits(1) === 1;
  const [left, right, top, bottom] = cropped ? [read.unsigned(), read.unsigned(), read.unsigned(), read.unsigned()] : [0, 0, 0, 0];
  if (read.exhausted()) return null;

  const subsampled = !separatePlanes && (chromaFormat === 1 || chromaFormat === 2);
  const cropX = subsampled ? 2 : 1;
  const cropY = (!separatePlanes && chromaFormat === 1 ? 2 : 1) * fieldFactor;
  const widthPx = widthMacroblocks * 16 - cropX * (left + right);
  const heightPx = fieldFactor * heightMapUnits * 16 - cropY * (top + bottom);
  // 16,384 is beyond level 6.2; more is damage, not a picture.
  return widthPx > 0 && heightPx > 0 && widthPx <= 16_384 && heightPx <= 16_384 ? { widthPx, heightPx } : null;
}

type BitReader = ReturnType<typeof bitReader>;

function bitReader(bytes: Buffer) {
  let position = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index += 1) {
      value = value * 2 + (((bytes[position >> 3] ?? 0) >> (7 - (position & 7))) & 1);
      position += 1;
    }
    return value;
  };
  /** Exp-Golomb code (H.264 9.1). Signed codes are as long, so they are skipped with this one too. */
  const unsigned = (): number => {
    let zeros = 0;
    while (zeros < 32 && bits(1) === 0) zeros += 1;
    return 2 ** zeros - 1 + bits(zeros);
  };
  return { bits, unsigned, exhausted: () => position > bytes.length * 8 };
}

function skipScalingList(read: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let index = 0; index < size; index += 1) {
    if (next !== 0) {
      const code = read.unsigned();
      const delta = code % 2 === 0 ? -code / 2 : (code + 1) / 2;
      next = (((last + delta) % 256) + 256) % 256;
    }
    if (next !== 0) last = next;
  }
}

function withoutEmulationPrevention(nal: Buffer): Buffer {
  const bytes: number[] = [];
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}
