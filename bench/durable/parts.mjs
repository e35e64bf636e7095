/** The parts of durable.mjs: which jobs they run, and the tables that they print. */
import { join } from "node:path";
import { SETS } from "./corpus.mjs";
import { mebi, median, rounded, spread } from "./report.mjs";
import { makeCold, removeAll, run, sizeOf } from "./watch.mjs";

const LASTING = { tercet: "commit", sqlite: "synchronous=FULL", lancedb: "default" };
const MODES = {
  tercet: ["commit", "interval 1 s", "memory"],
  sqlite: ["synchronous=FULL", "synchronous=NORMAL", "synchronous=OFF", "memory"],
  lancedb: ["default"],
};
const CALLERS = 32;
const LARGE = 10_000;
// 8,000 and 140 of ten million small documents hold these words; of the frequent ones a million and 80,000.
const RARE = [700, 40_000];
const FREQUENT = [5, 70];

/** The sets that are there; the others are named. */
function present(settings, report) {
  return settings.sets.filter((name) => {
    if (!(name in SETS)) throw new Error(`there is no set named ${name}`);
    const missing = SETS[name].missing();
    if (missing !== undefined) report.line({ part: "not run", set: name, why: missing });
    if (missing !== undefined) console.log(`\nnot run: ${name}: ${missing}`);
    return missing === undefined;
  });
}

/** Engines that have failed, so that a missing peer is said once and not tried a hundred times. */
const failed = new Map();

async function measured(settings, report, job) {
  if (failed.has(job.engine)) return undefined;
  const result = await run({ seed: settings.seed, limitMs: settings.limitMs, ...job }, settings.node);
  report.line({ ...job, ...result });
  if (result.failed === undefined) {
    report.version(job.engine, result.version);
    return result;
  }
  console.log(`\nnot run: ${job.engine}, ${job.kind}: ${result.failed}`);
  if (result.version === undefined) failed.set(job.engine, result.failed);
  return undefined;
}

export async function ingest(settings, report) {
  const sets = present(settings, report);
  const all = settings.engines.flatMap((engine) =>
    MODES[engine].flatMap((mode) => casesOf(settings, engine, mode, sets)),
  );
  // What is compared stands side by side, so that it meets the same load.
  const group = ({ set, batch }) => sets.indexOf(set) * 2 * LARGE + batch;
  const cases = all.sort((a, b) => group(a) - group(b));
  const results = new Map(cases.map((one) => [one, []]));
  for (let round = 0; round < settings.rounds; round++) {
    // Every other round backwards: what comes later on a machine that slows down is not always the same.
    for (const one of round % 2 === 0 ? cases : cases.toReversed()) {
      const path = join(settings.scratch, "ingest");
      const result = await measured(settings, report, { kind: "ingest", round, path, ...one });
      if (result !== undefined) results.get(one).push({ ...result, size: sizeOf(path) });
      removeAll(path);
    }
  }
  report.table(
    "Ingest: documents a second; median (least..greatest)",
    [
      "set",
      "batch",
      "engine",
      "mode",
      "documents",
      "documents/s",
      "with index and close",
      "CPU us/doc",
      "written B/doc",
    ],
    cases.map((one) => ingestRow(one, results.get(one))),
    4,
  );
}

function casesOf(settings, engine, mode, sets) {
  const real = sets[0];
  const large = sets.map((set) => ({ engine, mode, set, batch: LARGE, documents: settings.documents }));
  const smaller = [
    { engine, mode, set: real, batch: 1, documents: settings.single },
    { engine, mode, set: real, batch: 100, documents: settings.small },
  ];
  // Callers that write at the same time can share a sync; SQLite's calls block, so there it is never more than one.
  if (engine === "tercet" && mode === "commit")
    smaller.splice(1, 0, { ...smaller[0], callers: CALLERS, documents: settings.single * 10 });
  return real === undefined ? [] : [...smaller, ...large];
}

function ingestRow(one, results) {
  const last = results[results.length - 1];
  const rate = (ms) => (result) => result.documents / (ms(result) / 1000);
  const all = ({ write, finish, close }) => write.ms + (finish?.ms ?? 0) + close.ms;
  const each = (of) => (result) => of(result) / result.documents;
  const cpu = ({ write, finish, close }) => (write.cpuMs + (finish?.cpuMs ?? 0) + close.cpuMs) * 1000;
  const bytes = ({ write, finish, close }) => write.written + (finish?.written ?? 0) + close.written;
  return [
    one.set,
    one.callers === undefined ? one.batch : `${one.batch} x ${one.callers} callers`,
    one.engine,
    one.mode,
    last && (last.documents < last.all ? `${last.documents} of ${last.all}` : last.documents),
    spread(results.map(rate(({ write }) => write.ms))),
    spread(results.map(rate(all))),
    rounded(median(results.map(each(cpu)))),
    rounded(median(results.map(each(bytes)))),
  ];
}

export async function opening(settings, report) {
  const rows = [];
  const sizes = [];
  for (const set of present(settings, report)) {
    const built = await build(settings, report, set);
    for (const { engine, documents, size } of built)
      sizes.push([
        set,
        engine,
        documents,
        size.files,
        rounded(size.bytes / documents),
        rounded(size.allocated / documents),
      ]);
    const engines = built.map(({ engine, path }) => ({ engine, path }));
    const asks = await answers(settings, report, { engines, set, asks: [{ ask: "search" }] });
    rows.push(...asks.map((row) => [set, ...row]));
    for (const { path } of built) removeAll(path);
  }
  report.table(
    "On disk after close: bytes a document",
    ["set", "engine", "documents", "files", "bytes/doc", "blocks: bytes/doc"],
    sizes,
    2,
  );
  report.table("Open and first answer, each in a new process", ["set", ...ANSWER_HEAD], rows, 4);
}

async function build(settings, report, set) {
  const built = [];
  for (const engine of settings.engines) {
    const path = join(settings.scratch, `open-${engine}`);
    const job = { kind: "ingest", engine, mode: LASTING[engine], set, path, batch: LARGE };
    const result = await measured(settings, report, {
      ...job,
      documents: settings.documents,
      purpose: "open",
    });
    if (result === undefined) continue;
    const size = sizeOf(path);
    report.line({ part: "size", set, engine, documents: result.documents, ...size });
    built.push({ engine, path, documents: result.documents, size });
  }
  return built;
}

const ANSWER_HEAD = [
  "asked",
  "engine",
  "cache",
  "open ms",
  "read KiB",
  "first ms",
  "read KiB",
  "open + first ms",
  "second ms",
];

/** Opens each engine's files again and again, cold and warm in turn. */
async function answers(settings, report, { engines, set, asks }) {
  const results = new Map();
  for (let round = 0; round < settings.rounds; round++) {
    for (const { name, ...ask } of asks)
      for (const cache of ["cold", "warm"])
        for (const { engine, path } of engines) {
          const left = cache === "cold" ? makeCold(path, settings.drop) : undefined;
          const how = cache === "warm" ? "warm" : coldness(settings.drop, left);
          const job = { kind: "open", engine, mode: LASTING[engine], set, path, cache: how, round, ...ask };
          const result = await measured(settings, report, job);
          const key = JSON.stringify([name ?? ask.ask, engine, cache === "cold" ? how : "warm"]);
          if (result !== undefined) results.set(key, [...(results.get(key) ?? []), result]);
        }
  }
  return [...results].map(([key, values]) => [
    ...JSON.parse(key),
    spread(values.map(({ open }) => open.ms)),
    rounded(median(values.map(({ open }) => open.read / 1024))),
    spread(values.map(({ first }) => first.ms)),
    rounded(median(values.map(({ first }) => first.read / 1024))),
    spread(values.map(({ open, first }) => open.ms + first.ms)),
    rounded(median(values.map(({ second }) => second.ms))),
  ]);
}

function coldness(drop, left) {
  if (drop) return "cold (drop_caches)";
  if (left === undefined) return "cold (fadvise, unchecked)";
  return left === 0 ? "cold (fadvise)" : "partly cold (fadvise)";
}

export async function memory(settings, report) {
  await streamed(settings, report, {
    name: "memory",
    title: `Memory: ${settings.memory.toLocaleString("en-US")} documents of 200 words`,
    job: { shape: "long", documents: settings.memory, compact: true, ranks: RARE },
  });
}

export async function many(settings, report) {
  const built = await streamed(settings, report, {
    name: "many",
    title: `Many: ${settings.many.toLocaleString("en-US")} small documents`,
    job: { shape: "small", documents: settings.many, ranks: RARE },
    keep: true,
  });
  const asks = [
    { name: "two rare words", ask: "search", ranks: RARE },
    { name: "two frequent words", ask: "search", ranks: FREQUENT },
    { name: "get by id", ask: "get", get: Math.floor(settings.many * 0.6) },
    { name: "count by year", ask: "filter" },
  ];
  const rows = await answers(settings, report, { engines: built, set: "zipf", asks });
  report.table("Open and first answer, each in a new process", ANSWER_HEAD, rows, 3);
  for (const { path } of built) removeAll(path);
}

/** Streams generated documents into each engine, and says what each phase took and held. */
async function streamed(settings, report, { name, title, job, keep = false }) {
  const path = join(settings.scratch, name);
  const base = { set: "zipf", batch: LARGE, ...job };
  const floor = await measured(settings, report, { ...base, kind: "generate", engine: "tercet", path });
  const rows = floor === undefined ? [] : phaseRows("the generator alone", floor);
  const built = [];
  for (const engine of settings.streamEngines) {
    const at = `${path}-${engine}`;
    const whole = { ...base, kind: "stream", engine, mode: LASTING[engine], path: at, watchDisk: true };
    const result = await measured(settings, report, whole);
    if (result !== undefined) {
      const size = sizeOf(at);
      report.line({ part: "size", set: name, engine, documents: result.documents, ...size });
      rows.push(...phaseRows(engine, result));
      rows.push([
        engine,
        "on disk",
        ...Array(6).fill(""),
        `${mebi(size.allocated)}, ${rounded(size.bytes / result.documents)} B/doc`,
      ]);
      built.push({ engine, path: at });
    }
    if (!keep) removeAll(at);
  }
  report.table(
    `${title}; peaks of samples every 20 ms`,
    ["engine", "phase", "seconds", "documents/s", "CPU s", "RssAnon", "RssFile", "VmHWM", "disk"],
    rows,
    2,
  );
  return built;
}

function phaseRows(engine, { documents, phases, memory: peaks }) {
  const row = (phase, { ms, cpuMs } = {}) => {
    const { anon, file, hwm, disk } = peaks[phase] ?? {};
    const rate = phase === "write" ? rounded(documents / (ms / 1000)) : "";
    return [
      engine,
      phase,
      rounded(ms / 1000),
      rate,
      rounded(cpuMs / 1000),
      ...[anon, file, hwm, disk || undefined].map(mebi),
    ];
  };
  return [
    row("idle"),
    ...Object.entries(phases)
      .filter(([, one]) => one !== undefined)
      .map(([phase, one]) => row(phase, one)),
  ];
}
