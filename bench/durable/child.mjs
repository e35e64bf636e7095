/**
 * One job of durable.mjs in a process of its own: `child.mjs JOB`, a JSON object. It tells its parent when a phase
 * begins and ends (the parent samples the memory), and last what it measured. Jobs:
 *
 *   ingest    documents that lie ready in memory, in batches of `batch`, by `callers` at once
 *   stream    generated documents from an async generator, then a query, one with a filter, and with `compact` that too
 *   generate  those documents and nothing else
 *   open      a collection that is there: opening it, and the first and second answer of one kind
 */
import { readFileSync, writeFileSync } from "node:fs";
import { generated, loaded, SETS, SHAPES, spelt } from "./corpus.mjs";

const job = JSON.parse(process.argv[2]);
const set = SETS[job.set];
const engine = await import(`./engines/${job.engine}.mjs`);
const JOBS = { ingest, stream, generate, open };

const result = {};
try {
  result.version = await engine.warmUp();
  Object.assign(result, await JOBS[job.kind]());
} catch (error) {
  result.failed = `${error.code ?? error.name}: ${error.message.split("\n")[0]}`;
}
await new Promise((resolve) => process.send({ result }, resolve));
process.exit(0);

async function ingest() {
  const documents = await loaded(job.set, job.documents, job.seed);
  const batches = [];
  for (let at = 0; at < documents.length; at += job.batch) batches.push(documents.slice(at, at + job.batch));
  const collection = await engine.connect(job.path, set, job.mode);
  const deadline = performance.now() + job.limitMs;
  let next = 0;
  let written = 0;
  const caller = async () => {
    while (next < batches.length && performance.now() < deadline) {
      const batch = batches[next++];
      await collection.write(batch);
      written += batch.length;
    }
  };
  const write = await phase("write", () => Promise.all(Array.from({ length: job.callers ?? 1 }, caller)));
  const finish = collection.finish && (await phase("finish", collection.finish));
  const count = await collection.count();
  if (count !== written) throw new Error(`${count} documents are there, of ${written} written`);
  const close = await phase("close", collection.close);
  return { documents: written, all: documents.length, write, finish, close };
}

async function stream() {
  const shape = { ...SHAPES[job.shape], seed: job.seed, documents: job.documents };
  const collection = await engine.connect(job.path, set, job.mode);
  const phases = {
    write: await phase("write", () => collection.stream(asynchronous(generated(shape)), job.batch)),
  };
  phases.finish = collection.finish && (await phase("finish", collection.finish));
  const count = await collection.count();
  if (count !== job.documents) throw new Error(`${count} documents are there, of ${job.documents} written`);
  phases.query = await phase("query", () => found(collection));
  phases.filtered = await phase("filtered", () => collection.search(asked(), { year: { gte: 2000 } }));
  const stats = await collection.stats?.();
  if (job.compact) phases.compact = await phase("compact", collection.compact);
  phases.close = await phase("close", collection.close);
  return { documents: count, phases, stats };
}

/** The generator alone: what of `stream` is the making of documents. */
async function generate() {
  const shape = { ...SHAPES[job.shape], seed: job.seed, documents: job.documents };
  return phase("write", async () => {
    for await (const _ of asynchronous(generated(shape)));
  }).then((write) => ({ documents: job.documents, phases: { write } }));
}

async function open() {
  let collection;
  const opening = await phase("open", async () => {
    collection = await engine.connect(job.path, set, job.mode);
  });
  const ask = {
    search: () => found(collection),
    get: async () => {
      const document = await collection.get(job.get);
      if (document?.id !== job.get) throw new Error(`no document ${job.get}`);
    },
    filter: () => collection.countYear(2001),
  }[job.ask];
  const first = await phase("first", ask);
  const second = await phase("second", ask);
  await collection.close();
  return { open: opening, first, second };
}

function asked() {
  return job.ranks === undefined ? set.query : spelt(job.ranks);
}

async function found(collection) {
  const hits = await collection.search(asked());
  if (hits.length === 0) throw new Error(`nothing found for ${asked()}`);
  return hits.length;
}

async function* asynchronous(documents) {
  yield* documents;
}

/** Runs and measures: milliseconds by the clock and of all threads, and bytes that went through the disk. */
async function phase(name, run) {
  try {
    writeFileSync("/proc/self/clear_refs", "5"); // VmHWM counts from here
  } catch {}
  await new Promise((resolve) => process.send({ begin: name }, resolve));
  const before = counters();
  const from = performance.now();
  await run();
  const ms = performance.now() - from;
  const after = counters();
  const heap = process.memoryUsage();
  await new Promise((resolve) => process.send({ end: name }, resolve));
  return {
    ms,
    cpuMs: after.cpu - before.cpu,
    read: after.read - before.read,
    written: after.written - before.written,
    heap: heap.heapTotal + heap.external,
  };
}

function counters() {
  const { user, system } = process.cpuUsage();
  let read = 0;
  let written = 0;
  try {
    const io = readFileSync("/proc/self/io", "latin1");
    read = Number(/^read_bytes: (\d+)/m.exec(io)[1]);
    written = Number(/^write_bytes: (\d+)/m.exec(io)[1]);
  } catch {}
  return { cpu: (user + system) / 1000, read, written };
}
