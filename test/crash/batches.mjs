/**
 * What a lane of the writer does, batch by batch: a function of the seed, so that the parent knows it without being told.
 * Lanes have their own ids; within one, batch follows batch.
 */
import { integer, text } from "tercet";

export const schema = { lane: integer(), batch: integer(), text: text({ analyzer: "whitespace" }) };

/** Ids of a lane. */
const IDS = 200;
const WORDS = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay", "kiwi", "lynx"];

/** Numbers from 0 below `end`, by seed (mulberry32). */
export function dice(...seeds) {
  let state = seeds.reduce((hash, seed) => Math.imul(hash ^ seed, 0x9e3779b1) ^ (hash >>> 15), 0x2545f491);
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * end);
  };
}

/** Numbers, and text beside them. */
const idOf = (lane, n) => (n % 2 === 0 ? lane * 1000 + n : `${lane}:${n}`);

/** Batch `at` of a lane: documents to write, or ids to remove. */
export function batch(seed, lane, at) {
  const roll = dice(seed, lane, at);
  if (roll(8) === 0) {
    const ids = Array.from({ length: 1 + roll(9) }, () => idOf(lane, roll(IDS)));
    return { remove: [...new Set(ids)] };
  }
  const count = roll(10) === 0 ? 60 + roll(IDS - 60) : 1 + roll(6);
  const start = roll(IDS);
  const document = (n) => {
    const words = Array.from(
      { length: 1 + roll(roll(12) === 0 ? 400 : 12) },
      () => WORDS[roll(WORDS.length)],
    );
    return { id: idOf(lane, n), lane, batch: at, text: `every ${words.join(" ")}` };
  };
  return { upsert: Array.from({ length: count }, (_, i) => document((start + i) % IDS)) };
}

/** What a lane holds, in the order of insertion, after a batch. */
export function apply(state, { upsert = [], remove = [] }) {
  for (const id of remove) state.delete(id);
  for (const document of upsert) {
    state.delete(document.id);
    state.set(document.id, document);
  }
}

/** A lane's documents as one text, to be compared. */
export const shown = (documents) =>
  JSON.stringify(documents.map(({ id, lane, batch: at, text }) => [id, lane, at, text]));
