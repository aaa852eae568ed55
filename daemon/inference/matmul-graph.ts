/** An ONNX file of one matrix product, written by hand: what a benchmark holds the models' speed against. */

/** `x [size, size]` times a constant of the same shape -> `y`, float32. */
export function matmulGraph(size: number): Uint8Array {
  const weights = new Float32Array(size * size).map((_, index) => Math.sin(index) / size);
  const shape = protobuf([1, protobuf([1, size])], [1, protobuf([1, size])]);
  const value = (name: string): Buffer => protobuf([1, name], [2, protobuf([1, protobuf([1, 1], [2, shape])])]);
  const node = protobuf([1, "x"], [1, "w"], [2, "y"], [4, "MatMul"]);
  const initializer = protobuf([1, size], [1, size], [2, 1], [8, "w"], [9, Buffer.from(weights.buffer)]);
  const graph = protobuf([1, node], [2, "matmul"], [5, initializer], [11, value("x")], [12, value("y")]);
  return protobuf([1, 8], [8, protobuf([1, ""], [2, 17])], [7, graph]);
}

/** A protobuf message of fields given by number: integers as varints, the rest length-delimited. */
export function protobuf(...fields: readonly (readonly [number, number | string | Buffer])[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([field, value]) => {
      if (typeof value === "number") return [varint(field * 8), varint(value)];
      const bytes = typeof value === "string" ? Buffer.from(value) : value;
      return [varint(field * 8 + 2), varint(bytes.length), bytes];
    }),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest % 128 | (rest >= 128 ? 128 : 0));
    if (rest < 128) return Buffer.from(bytes);
  }
}
