/** The parts of dense.mjs: which jobs they run, and in what order. What they measure goes to the report, line by line. */
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { makeCold } from "../durable/watch.mjs";
import { available } from "./adapters.mjs";
import { effortAt } from "./curves.mjs";
import { codesOfPeers, peer, tercet } from "./jobs.mjs";

const TARGET = 0.95;
/** Components of the rows of a set that was enlarged. */
const LARGE_DIMS = 128;
const REMOVES = /^(hnswlib|usearch|svs-dynamic|zvec)/;
const NODE_FILTERS = /^zvec/;

export const PARTS = { build, search, node, filter, churn, cold, scaling, codes, resident };

/** Engines that have failed at something, so that it is said once. */
const failed = new Set();

/** Runs a job and writes down what came of it; undefined where it failed. */
async function measured(report, set, part, job, more = {}) {
  const result = await job;
  const line = { part, set: set.name, ...more, ...result };
  report.line(line);
  if (result.error === undefined) {
    const { build_cpu_s: built, curve } = result;
    const said = built === undefined ? `${curve?.length ?? ""}` : `${built.toFixed(1)} CPU s`;
    console.log(`${set.name} ${part} ${result.engine} ${said}`);
    return line;
  }
  const key = `${result.engine} ${part}`;
  if (!failed.has(key)) console.log(`not run: ${set.name}: ${key}: ${result.error}`);
  failed.add(key);
  return undefined;
}

/** Tercet's indexes: those asked for, else the best that there is. */
const indexes = (settings) => settings.tercet ?? available().slice(0, 1);

/** Every other round backwards: what comes later on a machine that slows down is not always the same. */
const turned = (list, round) => (round % 2 === 0 ? list : list.toReversed());

const saved = (set, name) => join(set.indexes, `${set.name}-${name}`);

/** The jobs of a part, one an engine: peers by name, then tercet's indexes. */
function jobs(settings, peers, what, more = {}) {
  return [
    ...peers.map((name) => (set) => peer(settings, set, name, what, more)),
    ...indexes(settings).map((index) => (set) => tercet(settings, set, index, what, more)),
  ];
}

async function build(settings, report, set) {
  const all = jobs(settings, settings.peers, "build");
  for (let round = 0; round < settings.buildRounds; round++)
    for (const job of turned(all, round)) await measured(report, set, "build", job(set), { round });
  set.fresh = true;
}

/**
 * Builds what is not there. A peer's index stays from run to run; tercet's own may come from other code, and is built
 * anew in each run that does not ask to keep it.
 */
async function ready(settings, report, set, peers) {
  for (const name of peers)
    if (!existsSync(saved(set, name)))
      await measured(report, set, "build", peer(settings, set, name, "build"), { round: 0 });
  for (const index of indexes(settings)) {
    const there = existsSync(saved(set, `tercet-${index.replaceAll(":", "-")}`));
    if (!there || !(set.fresh || settings.keep))
      await measured(report, set, "build", tercet(settings, set, index, "build"), { round: 0 });
  }
  set.fresh = true;
}

async function search(settings, report, set) {
  await ready(settings, report, set, settings.peers);
  const all = jobs(settings, settings.peers, "search");
  for (let round = 0; round < settings.rounds; round++)
    for (const job of turned(all, round)) {
      const line = await measured(report, set, "search", job(set), { round });
      if (line !== undefined) set.efforts = { ...set.efforts, [line.engine]: effortAt(line.curve, TARGET) };
    }
}

/** The npm peers have no way to open what another process built, so they run once; tercet before and after them. */
async function node(settings, report, set) {
  await ready(settings, report, set, []);
  const own = indexes(settings);
  for (const index of own)
    await measured(report, set, "node", tercet(settings, set, index, "node"), { round: 0 });
  await nodePeers(settings, report, set, settings.nodePeers);
  for (const index of settings.nodePeers.length === 0 ? [] : own)
    await measured(report, set, "node", tercet(settings, set, index, "node"), { round: 1 });
}

async function nodePeers(settings, report, set, names, more = {}) {
  if (settings.nodeFolder === undefined) {
    if (!failed.has("node")) console.log("not run: npm peers: TERCET_BENCH_PEERS names no folder");
    failed.add("node");
    return;
  }
  for (const name of names) {
    const job = peer(settings, set, `node:${name}`, "build", more);
    await measured(report, set, "node", job, { round: 0, where: more.where });
  }
}

async function filter(settings, report, set) {
  await ready(settings, report, set, settings.filterPeers);
  for (const [where, data] of [
    ["random", set.folder],
    ["far", set.far],
  ]) {
    for (const name of settings.filterPeers) linked(set, name, basename(data));
    for (const name of settings.filterPeers)
      await measured(report, set, "filter", peer(settings, set, name, "filter", { data }), { where });
    for (const index of indexes(settings)) {
      const effort = set.efforts?.[`tercet ${index}`];
      const efs = [...new Set([Math.ceil(effort ?? 64), 64, 256])].sort((a, b) => a - b);
      const job = tercet(settings, set, index, "filter", { data, efs });
      await measured(report, set, "filter", job, { where, effort });
    }
    const others = settings.nodePeers.filter((name) => NODE_FILTERS.test(name));
    const known = where === "random" && settings.parts.includes("node");
    if (!known && others.length > 0) await nodePeers(settings, report, set, others, { data, where });
  }
}

/** A peer's index under the name that its harness looks for when the data is in another folder. */
function linked(set, name, folder) {
  const link = join(set.indexes, `${folder}-${name}`);
  if (folder === set.name || !existsSync(saved(set, name))) return;
  rmSync(link, { force: true, recursive: true });
  symlinkSync(saved(set, name), link);
}

async function churn(settings, report, set) {
  for (const name of settings.peers.filter((one) => REMOVES.test(one)))
    await measured(report, set, "churn", peer(settings, set, name, "churn"));
  for (const index of indexes(settings)) {
    const save = saved(set, "tercet-churn");
    await measured(report, set, "churn", tercet(settings, set, index, "churn", { save }));
    rmSync(save, { force: true });
  }
}

async function cold(settings, report, set) {
  await ready(settings, report, set, settings.peers);
  for (let round = 0; round < settings.rounds; round++) {
    for (const name of settings.peers)
      await measured(report, set, "cold", peer(settings, set, name, "cold"), { round });
    for (const index of indexes(settings)) {
      const left = makeCold(saved(set, `tercet-${index.replaceAll(":", "-")}`), false);
      await measured(report, set, "cold", tercet(settings, set, index, "cold"), { round, left });
    }
  }
}

/** Codes of some sizes, alone: what their bytes are worth. */
async function codes(settings, report, set) {
  const budgets = [0.0625, 0.125, 0.25].map((part) => Math.round(set.meta.dim * part));
  await measured(report, set, "codes", codesOfPeers(settings, set, budgets));
  await measured(report, set, "codes", tercet(settings, set, "ivf", "codes", { budgets }));
}

/** What lies in memory of a mapped file while it is searched: as it comes, with vectors left on the disk, and so of more rows. */
async function resident(settings, report, set) {
  await ready(settings, report, set, []);
  for (const index of indexes(settings)) {
    const effort = set.efforts?.[`tercet ${index}`];
    const ef = Math.ceil(effort ?? settings.ef);
    const save = saved(set, `tercet-${index.replaceAll(":", "-")}`);
    for (const vectors of ["memory", "disk"]) {
      makeCold(save, false);
      const job = tercet(settings, set, index, "resident", { ef, vectors });
      await measured(report, set, "resident", job, { effort });
    }
    if (settings.large === 0) continue;
    const job = { save: `${save}-large`, large: { rows: settings.large, dims: LARGE_DIMS } };
    const name = index.replace(/:m=\d+/, `:m=${LARGE_DIMS / 2}`);
    if (!(settings.keep && existsSync(job.save)))
      await measured(report, set, "enlarge", tercet(settings, set, name, "enlarge", job));
    for (const vectors of ["memory", "disk"]) {
      makeCold(job.save, false);
      const again = tercet(settings, set, name, "resident", { ...job, ef, vectors });
      await measured(report, set, "resident", again, { large: true });
    }
  }
}

/** One build with two threads, and two builds with one thread each at the same time. */
async function scaling(settings, report, set) {
  const cores = availableParallelism();
  if (cores < 2) {
    console.log("not run: scaling: two threads want two cores");
    return;
  }
  const pair = [cores - 1, cores - 2];
  for (const index of indexes(settings)) {
    const at = (core, name) =>
      tercet(settings, set, index, "build", { cores: core, save: saved(set, `tercet-${name}`) });
    const two = { cores: pair.join(","), threads: 2, save: saved(set, "tercet-two") };
    await measured(report, set, "scaling", tercet(settings, set, index, "build", two), { processes: 1 });
    const both = pair.map((core) => at(core, `core-${core}`));
    for (const job of both) await measured(report, set, "scaling", job, { processes: 2 });
    for (const name of ["two", ...pair.map((core) => `core-${core}`)])
      rmSync(saved(set, `tercet-${name}`), { force: true });
  }
}
