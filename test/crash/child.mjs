/**
 * Writes batches until it is killed, and tells each that was acknowledged: `ack <lane> <batch>`.
 * Its one argument is JSON: { path, seed, next: the first batch of each lane, options: for open }.
 */
import { writeSync } from "node:fs";
import { open } from "tercet";
import { batch, dice, schema } from "./batches.mjs";

const { path, seed, next, options } = JSON.parse(process.argv[2]);
// Written at once: what was acknowledged is in the pipe before anything else can happen.
const say = (line) => writeSync(1, `${line}\n`);

const collection = await open(path, { schema, ...options });
say("ready");

async function lane(number, first) {
  for (let at = first; ; at++) {
    const { upsert, remove } = batch(seed, number, at);
    if (upsert !== undefined) await collection.upsert(upsert);
    else await collection.remove(remove);
    say(`ack ${number} ${at}`);
    const roll = dice(seed, number, at, 1)(60);
    if (roll === 0) await collection.flush();
    else if (roll === 1) await collection.compact();
    else if (roll === 2) await collection.tag(`t${at % 3}`);
  }
}

await Promise.all(next.map((first, number) => lane(number, first)));
