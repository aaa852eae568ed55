/** H.264 as RTP carries it (RFC 6184): an Annex B stream to access units, and units to payloads. Pure. */

const ACCESS_UNIT_DELIMITER = 9;
const SEI = 6;
const FU_A = 28;
const MAX_PAYLOAD_BYTES = 1_100;

/** NAL units of each picture, without delimiters and SEI. @param stream with an access unit delimiter before every picture */
export function accessUnits(stream: Buffer): Buffer[][] {
  const pictures: Buffer[][] = [];
  for (const unit of nalUnits(stream)) {
    const type = (unit[0] ?? 0) & 0x1f;
    if (type === ACCESS_UNIT_DELIMITER) pictures.push([]);
    else if (type !== SEI) pictures.at(-1)?.push(unit);
  }
  return pictures.filter((units) => units.length > 0);
}

function* nalUnits(stream: Buffer): Generator<Buffer> {
  const startCode = Buffer.from([0, 0, 1]);
  let start = stream.indexOf(startCode);
  while (start !== -1) {
    const from = start + 3;
    start = stream.indexOf(startCode, from);
    let to = start === -1 ? stream.length : start;
    // The zero that makes the next start code one of four bytes; a unit never ends in one.
    while (to > from && stream[to - 1] === 0) to -= 1;
    yield stream.subarray(from, to);
  }
}

/** Payloads of one picture; the marker belongs on the last. */
export function rtpPayloads(units: readonly Buffer[]): Buffer[] {
  return units.flatMap((unit) => {
    if (unit.length <= MAX_PAYLOAD_BYTES) return [unit];
    const header = unit[0] ?? 0;
    const fragments: Buffer[] = [];
    for (let offset = 1; offset < unit.length; offset += MAX_PAYLOAD_BYTES - 2) {
      const end = Math.min(unit.length, offset + MAX_PAYLOAD_BYTES - 2);
      const flags = (offset === 1 ? 0x80 : 0) | (end === unit.length ? 0x40 : 0);
      fragments.push(Buffer.concat([Buffer.from([(header & 0xe0) | FU_A, flags | (header & 0x1f)]), unit.subarray(offset, end)]));
    }
    return fragments;
  });
}
