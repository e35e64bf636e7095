/**
 * Kills a writing process at random moments, again and again in the same folder, and looks at what it left: every batch
 * that was acknowledged, in order and whole, at most one more of each lane, no part of one, and nothing that `verify`
 * has to say. In some rounds a reader watches the folder meanwhile.
 *
 *   node test/crash/soak.mjs [--rounds 200] [--seed n] [--verbose]
 *
 * The batches follow from the seed; the moments of death do not. A folder that failed is kept as it was found.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { all, match, open } from "tercet";
import { apply, batch, dice, schema, shown } from "./batches.mjs";

const CHILD = fileURLToPath(new URL("child.mjs", import.meta.url));
/** Rounds in one folder. */
const ROUNDS_PER_FOLDER = 20;
/** How far a reader may be ahead of the acknowledgements that were read. */
const AHEAD_MAX = 2_000;
/** How long is waited for the batches of a round. */
const WAIT_MS_MAX = 2_000;
const DOCUMENTS_MAX = 1_000;

/** What is known of the lanes: batches below `next` are in `state`. */
const newLane = () => ({ next: 0, state: new Map() });

/** Rolls a lane forward, from what was acknowledged, to the state that was found; how many batches that took. */
function found(seed, number, { next, state }, documents, ahead) {
  const wanted = shown(documents);
  const rolled = new Map(state);
  for (let more = 0; ; more++) {
    if (shown([...rolled.values()]) === wanted) return { next: next + more, state: rolled };
    if (more === ahead) throw new Error(difference(number, next, [...state.values()], documents));
    apply(rolled, batch(seed, number, next + more));
  }
}

function difference(number, next, expected, documents) {
  const ids = (list) => new Map(list.map((document) => [document.id, document]));
  const [known, there] = [ids(expected), ids(documents)];
  const lost = [...known.keys()].filter((id) => !there.has(id));
  const extra = [...there.keys()].filter((id) => !known.has(id));
  const other = [...known.keys()].filter(
    (id) => there.has(id) && shown([known.get(id)]) !== shown([there.get(id)]),
  );
  const list = (name, some) => (some.length === 0 ? "" : `; ${name}: ${some.slice(0, 10).join(", ")}`);
  const what = `${list("not there", lost)}${list("not expected", extra)}${list("of another batch", other)}`;
  return `lane ${number} holds neither its batches below ${next} nor one more${what}`;
}

/** Every document, by lane, in the order of insertion; searches agree about how many there are. */
async function read(collection, lanes) {
  const { hits } = await collection.search({ query: all(), limit: DOCUMENTS_MAX });
  const named = await collection.search({ query: match("every"), limit: DOCUMENTS_MAX });
  if (named.hits.length !== hits.length)
    throw new Error(`${hits.length} documents, ${named.hits.length} by a word`);
  const documents = hits.map(({ document }) => document);
  return Array.from({ length: lanes }, (_, lane) => documents.filter((document) => document.lane === lane));
}

/** A reader beside the writer: whenever it looks, it sees whole batches, all that were acknowledged before it looked. */
async function watch(path, round, isOver) {
  const reader = await open(path, { readOnly: true });
  try {
    while (!isOver()) {
      const floor = copied(round.lanes);
      await reader.refresh();
      const documents = await read(reader, floor.length);
      floor.forEach((lane, number) => {
        found(round.seed, number, lane, documents[number], AHEAD_MAX);
      });
      round.looks += 1;
      await sleep(1);
    }
  } finally {
    await reader.close();
  }
}

const copied = (lanes) => lanes.map(({ next, state }) => ({ next, state: new Map(state) }));

/** One life of a writer. */
async function live(path, round) {
  const { lanes, options, seed } = round;
  const next = lanes.map((lane) => lane.next);
  const child = spawn(process.execPath, [CHILD, JSON.stringify({ path, seed, next, options })], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [errors, isReady] = ["", () => {}];
  child.stderr.on("data", (bytes) => {
    errors += bytes;
  });
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "ready") isReady();
    const [, number, at] = /^ack (\d+) (\d+)$/.exec(line) ?? [];
    if (number === undefined) return;
    const lane = lanes[Number(number)];
    apply(lane.state, batch(seed, Number(number), Number(at)));
    lane.next = Number(at) + 1;
    round.acknowledged += 1;
  });
  const closed = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal })));
  let isOver = false;
  closed.then(() => {
    isOver = true;
    isReady();
  });
  let watching;
  if (round.early) await sleep(round.delay_ms);
  else {
    await ready;
    if (round.watched && !isOver) watching = watch(path, round, () => isOver);
    watching?.catch(() => {});
    const until = performance.now() + WAIT_MS_MAX;
    while (round.acknowledged < round.batches && !isOver && performance.now() < until) await sleep(1);
    await sleep(round.delay_ms);
  }
  child.kill("SIGKILL");
  const { code, signal } = await closed;
  if (signal !== "SIGKILL")
    throw new Error(`the writer ended by itself (${code ?? signal}): ${errors.slice(0, 2_000)}`);
  await watching;
}

/** Opens what a writer left, compares, and says what is there now. A reader leaves the log to the next writer. */
async function look(path, round) {
  const options = round.readOnly ? { readOnly: true } : { ...round.options, schema };
  const collection = await open(path, options);
  try {
    const documents = await read(collection, round.lanes.length);
    round.lanes = round.lanes.map((lane, number) => found(round.seed, number, lane, documents[number], 1));
    const { problems } = await collection.verify();
    if (problems.length > 0) throw new Error(`verify: ${JSON.stringify(problems)}`);
  } finally {
    await collection.close();
  }
}

function newRound(seed, number, lanes) {
  const roll = dice(seed, number, 7);
  const options = { logBytes: [4096, 1 << 16, 1 << 20][roll(3)], retainMs: roll(2) * 1000 };
  if (roll(3) === 0) options.durability = { intervalMs: 50 };
  const early = roll(5) === 0;
  return {
    seed,
    lanes,
    options,
    early,
    watched: roll(3) === 0,
    readOnly: roll(3) === 0,
    /** Killed so long after it was started, or after so many batches. */
    delay_ms: early ? roll(250) : roll(12),
    batches: early ? 0 : roll(80),
    acknowledged: 0,
    looks: 0,
  };
}

/**
 * @param {{ rounds: number, seed: number, log?: (line: string) => void }} options
 * @returns {Promise<{ rounds: number, acknowledged: number, looks: number }>}
 */
export async function soak({ rounds, seed, log = () => {} }) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-crash-"));
  const total = { rounds: 0, acknowledged: 0, looks: 0 };
  let [lanes, path] = [[], ""];
  for (let number = 0; number < rounds; number++) {
    if (number % ROUNDS_PER_FOLDER === 0) {
      path = join(folder, String(number));
      lanes = Array.from({ length: 1 + dice(seed, number)(3) }, newLane);
    }
    const kept = `${path}-found`;
    const round = newRound(seed, number, lanes);
    try {
      await live(path, round);
      total.rounds += 1;
      rmSync(kept, { recursive: true, force: true });
      if (!existsSync(join(path, "MANIFEST"))) {
        // Killed before there was a collection.
        if (lanes.some((lane) => lane.next > 0)) throw new Error("there is no manifest");
        continue;
      }
      cpSync(path, kept, { recursive: true });
      await look(path, round);
    } catch (error) {
      const options = JSON.stringify(round.options);
      throw new Error(`seed ${seed}, round ${number}, ${options}, folder ${kept}: ${error.message}`, {
        cause: error,
      });
    }
    lanes = round.lanes;
    total.acknowledged += round.acknowledged;
    total.looks += round.looks;
    log(`round ${number}: ${round.acknowledged} batches, ${round.looks} looks`);
  }
  rmSync(folder, { recursive: true, force: true });
  return total;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string" },
      verbose: { type: "boolean" },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const log = values.verbose ? console.log : undefined;
  try {
    const { rounds, acknowledged, looks } = await soak({ rounds: Number(values.rounds), seed, log });
    console.log(`${rounds} writers killed, ${acknowledged} batches acknowledged, ${looks} looks of readers`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}
