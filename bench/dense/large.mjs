/** More rows than a set has, of its own: each is one of the set's, shortened, with noise. */

/** The share of a component's own deviation that is added as noise. */
const NOISE = 0.5;

/** The first `width` components of each row. */
export function cut(values, dims, width) {
  if (width === dims) return values;
  const count = values.length / dims;
  const out = new Float32Array(count * width);
  for (let row = 0; row < count; row++) out.set(values.subarray(row * dims, row * dims + width), row * width);
  return out;
}

/** `rows` rows of `width` components, the same in every run. */
export function enlarged(base, dims, rows, width) {
  const short = cut(base, dims, width);
  const count = short.length / width;
  let energy = 0;
  for (const x of short) energy += x * x;
  const deviation = Math.sqrt(energy / short.length) * NOISE;
  const out = new Float32Array(rows * width);
  let state = 1;
  for (let at = 0; at < out.length; at++) {
    // Four evenly spread numbers in one: near enough to a normal one.
    let sum = 0;
    for (let draw = 0; draw < 4; draw++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      sum += state / 2 ** 32 - 0.5;
    }
    const row = Math.floor(at / width) % count;
    out[at] = short[row * width + (at % width)] + sum * deviation * Math.sqrt(3);
  }
  return out;
}
