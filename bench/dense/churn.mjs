/** Rows replaced by themselves: recall must stay, and so must the bytes. */
import { K, recall, rowsOf } from "./measure.mjs";

const QUERIES = 300;

/**
 * Replaces a fifth of the rows by themselves, three times, as worker.py does; then everything five times, a fifth at a
 * time, and says recall and bytes after each time.
 */
export async function replaceRows(adapter, asked, bytes) {
  const rows = new Rows(adapter, asked);
  const all = [...Array(rows.count).keys()];
  const gone = all.filter((at) => (Math.imul(at, 0x9e3779b1) >>> 0) % 5 === 0);
  const out = { before: await rows.recall(), bytes: await bytes() };
  let begin = performance.now();
  await rows.remove(gone);
  out.delete_s = (performance.now() - begin) / 1000;
  out.after_delete = await rows.recall(new Set(gone));
  out.deleted_returned = rows.unknown;
  begin = performance.now();
  await rows.add(gone);
  out.insert_s = (performance.now() - begin) / 1000;
  out.after_reinsert = await rows.recall();
  for (let round = 0; round < 2; round++) {
    await rows.remove(gone);
    await rows.add(gone);
  }
  out.after_3_rounds = await rows.recall();
  out.replaced = [];
  for (let round = 1; round <= 5; round++) {
    for (let part = 0; part < 5; part++) {
      const some = all.filter((at) => at % 5 === part);
      await rows.remove(some);
      await rows.add(some);
    }
    out.replaced.push({ round, recall: await rows.recall(), bytes: await bytes() });
  }
  rows.renumber(await adapter.compact());
  out.compacted = { recall: await rows.recall(), bytes: await bytes() };
  return out;
}

/** Which row of the index holds which vector of the set, as rows come and go. */
class Rows {
  constructor(adapter, { vectors, dims, queries, truth }) {
    Object.assign(this, { adapter, vectors, dims, truth });
    this.count = vectors.length / dims;
    this.queries = queries.subarray(0, QUERIES * dims);
    this.rowOf = Uint32Array.from({ length: this.count }, (_, at) => at);
    this.vectorOf = new Map(this.rowOf.entries());
    this.unknown = 0;
  }

  async remove(some) {
    const rows = Uint32Array.from(some, (at) => this.rowOf[at]);
    for (const row of rows) this.vectorOf.delete(row);
    await this.adapter.remove(rows);
  }

  async add(some) {
    const values = new Float32Array(some.length * this.dims);
    some.forEach((at, to) => {
      values.set(this.vectors.subarray(at * this.dims, (at + 1) * this.dims), to * this.dims);
    });
    const first = await this.adapter.add(values);
    some.forEach((at, to) => {
      this.rowOf[at] = first + to;
      this.vectorOf.set(first + to, at);
    });
  }

  renumber(moved) {
    if (moved === undefined) return;
    this.rowOf = this.rowOf.map((row) => moved[row]);
    this.vectorOf = new Map(Array.from(this.rowOf, (row, at) => [row, at]));
  }

  /** Of the true neighbours that are still there: the top 100 are known, so ten of them nearly always are. */
  async recall(gone = new Set()) {
    const found = rowsOf(await this.adapter.batch(this.queries, K), K);
    const count = found.length;
    const right = this.truth
      .slice(0, count)
      .map((rows) => rows.filter((row) => !gone.has(row)).subarray(0, K));
    const named = found.map((rows) => Array.from(rows, (row) => this.vectorOf.get(row)));
    this.unknown = named.flat().filter((at) => at === undefined).length;
    return recall(named, right, count);
  }
}
