/**
 * The sets: made once into a folder by the peers' own data.py, and from that a second folder whose filter matches rows
 * far from the queries. Both have the layout that data.py describes.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { raw, writeBoth } from "./npy.mjs";

const SOURCES = {
  "minilm-50k": { base: "base.f16.npy", query: "query.npy", metric: "ip" },
  "mnist-784": { base: "base.u8.npy.gz", query: "query.u8.npy.gz", metric: "l2" },
};
const K = 10;
const FAR_QUERIES = 200;
const CENTRES = 64;

/** The parts of the rows that match. */
export const SELECTIVITIES = [0.5, 0.1, 0.01, 0.001];

/** Where peers and data lie beside the project. */
export function sharedFolder() {
  const folder = resolve(process.env.TERCET_SHARED ?? join(import.meta.dirname, "../../../shared"));
  return existsSync(join(folder, "bench-peers/dense/bench.py")) ? folder : undefined;
}

/** The harness of the peers. */
export const harness = (file) => join(sharedFolder(), "bench-peers/dense", file);

/** A set of the data folder, made where it is not there: its folders, and where its indexes are kept. */
export async function prepared(settings, source) {
  const name = settings.rows === 0 ? source : `${source}-${settings.rows}`;
  const folder = join(settings.data, name);
  if (!existsSync(join(folder, "meta.json"))) make(settings, source, folder);
  const far = `${folder}-far`;
  const meta = JSON.parse(readFileSync(join(folder, "meta.json"), "utf8"));
  if (settings.parts.includes("filter") && !existsSync(join(far, "meta.json"))) makeFar(folder, far, meta);
  const indexes = join(settings.data, settings.isa === undefined ? "indexes" : `indexes-${settings.isa}`);
  mkdirSync(indexes, { recursive: true });
  return { name, folder, far, meta, indexes };
}

function make(settings, source, folder) {
  if (!(source in SOURCES)) throw new Error(`there is no set named ${source}`);
  const { metric, ...files } = SOURCES[source];
  const scratch = join(settings.data, "unpacked");
  mkdirSync(scratch, { recursive: true });
  const unpacked = (file) => {
    const from = join(sharedFolder(), "data", source, file);
    if (!file.endsWith(".gz")) return from;
    const to = join(scratch, file.slice(0, -3));
    writeFileSync(to, gunzipSync(readFileSync(from)));
    return to;
  };
  const args = ["--base", unpacked(files.base), "--query", unpacked(files.query), "--metric", metric];
  if (settings.rows > 0) args.push("--n", String(settings.rows), "--nq", "300");
  const { status, stderr } = spawnSync(settings.python, [harness("data.py"), folder, ...args], {
    encoding: "utf8",
  });
  rmSync(scratch, { recursive: true, force: true });
  if (status !== 0) throw new Error(`data.py made no ${source}: ${stderr.trim().split("\n").at(-1)}`);
}

/**
 * The same rows with a filter that is correlated with the query: a dense spot is chosen, `attr` is the order of the rows
 * by their distance from it, and the queries are those farthest from it. So `attr < s * n` is a ball around the spot,
 * and a walk that starts at the query's neighbours meets no match for long.
 */
function makeFar(folder, far, { n, dim, nq, metric, gtk }) {
  mkdirSync(dirname(far), { recursive: true });
  mkdirSync(far, { recursive: true });
  const base = raw(join(folder, "base.f32"), Float32Array);
  const queries = raw(join(folder, "query.f32"), Float32Array);
  const truth = raw(join(folder, "gt.i32"), Int32Array);
  const row = (values, at) => values.subarray(at * dim, (at + 1) * dim);
  const distance = metric === "l2" ? squared : (a, b) => -dot(a, b);
  const from = (centre, values, count) =>
    Float64Array.from({ length: count }, (_, at) => distance(centre, row(values, at)));

  const spots = Array.from({ length: CENTRES }, (_, at) => row(base, Math.floor((at * n) / CENTRES)));
  const spread = (spot) => [...from(spot, base, n)].sort((a, b) => a - b)[Math.floor(n / 100)];
  const spreads = spots.map(spread);
  const spot = spots[spreads.indexOf(Math.min(...spreads))];
  const near = order(from(spot, base, n));
  const chosen = [...order(from(spot, queries, nq))].reverse().slice(0, FAR_QUERIES);

  const attr = new Int32Array(n);
  near.forEach((at, rank) => {
    attr[at] = rank;
  });
  const picked = (values, width, Type) => {
    const out = new Type(chosen.length * width);
    chosen.forEach((at, to) => {
      out.set(values.subarray(at * width, (at + 1) * width), to * width);
    });
    return out;
  };
  const asked = picked(queries, dim, Float32Array);
  for (const file of ["base.f32", "base.npy"]) {
    rmSync(join(far, file), { force: true });
    symlinkSync(join(folder, file), join(far, file));
  }
  writeBoth(join(far, "attr"), attr);
  writeBoth(join(far, "query"), asked, dim);
  writeBoth(join(far, "gt"), picked(truth, gtk, Int32Array), gtk);
  const best = chosen.map((_, at) => {
    const query = row(asked, at);
    const scored = Float64Array.from(near.subarray(0, Math.ceil(n / 2)), (other) =>
      distance(query, row(base, other)),
    );
    return SELECTIVITIES.map((s) => nearest(scored.subarray(0, Math.ceil(s * n)), near));
  });
  SELECTIVITIES.forEach((s, at) => {
    const rows = best.map((lists) => lists[at].slice(0, Math.min(K, Math.floor(s * n))));
    writeBoth(join(far, `gt_f${s}`), Int32Array.from(rows.flat()), rows[0].length);
  });
  const meta = { n, dim, nq: chosen.length, metric, gtk };
  writeFileSync(join(far, "meta.json"), JSON.stringify(meta));
}

/** Positions by value, the least first. */
function order(values) {
  return Uint32Array.from(values.keys()).sort((a, b) => values[a] - values[b] || a - b);
}

/** The rows of the K least values, whose rows `rows` tells. */
function nearest(values, rows) {
  const top = [];
  values.forEach((value, at) => {
    if (top.length === K && value >= values[top[K - 1]]) return;
    const to = top.findIndex((other) => value < values[other]);
    top.splice(to < 0 ? top.length : to, 0, at);
    top.length = Math.min(top.length, K);
  });
  return top.map((at) => rows[at]);
}

function dot(a, b) {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}

function squared(a, b) {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] - b[at]) ** 2;
  return sum;
}
