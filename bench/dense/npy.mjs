/** Arrays of numpy's .npy files, little-endian and row-major: what the peers' harness reads and writes. */
import { readFileSync, writeFileSync } from "node:fs";

const TYPES = { "<f4": Float32Array, "<i4": Int32Array, "|u1": Uint8Array, "<u2": Uint16Array };

/** The raw values of a file that is nothing but an array. */
export function raw(file, Type) {
  const bytes = readFileSync(file);
  return new Type(bytes.buffer, bytes.byteOffset, bytes.byteLength / Type.BYTES_PER_ELEMENT);
}

/** Writes a matrix, or a vector where `columns` is not given: header padded to 64 bytes, as format 1.0 wants. */
export function writeNpy(file, values, columns) {
  const type = Object.keys(TYPES).find((name) => values instanceof TYPES[name]);
  const shape = columns === undefined ? `${values.length},` : `${values.length / columns}, ${columns}`;
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from(`\u0093NUMPY\u0001\u0000\u0000\u0000${text.padEnd(length - 1)}\n`, "latin1");
  head.writeUInt16LE(length, 8);
  writeFileSync(
    file,
    Buffer.concat([head, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]),
  );
}

/** Writes a matrix twice: as .npy, and its values alone for who is not Python. */
export function writeBoth(path, values, columns) {
  writeNpy(`${path}.npy`, values, columns);
  const plain = values instanceof Float32Array ? "f32" : "i32";
  writeFileSync(`${path}.${plain}`, Buffer.from(values.buffer, values.byteOffset, values.byteLength));
}
