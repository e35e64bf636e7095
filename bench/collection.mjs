/**
 * A collection from TypeScript: writing and searching documents, on every backend. `npm run bench -- collection`
 *
 * The documents are made from a seed, so that every machine does the same work. Printed: documents a second, and median
 * and 99th percentile microseconds a search.
 */
import { integer, match, open, text } from "tercet";

const DOCUMENTS = 20_000;
const WORDS = 60;
const SEARCHES = 2_000;

let state = 0x2545f491;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

/** A word with Zipf-like frequency among 20,000. */
const word = () => `word${Math.floor(20_000 ** random()) - 1}`;
const words = (count) => Array.from({ length: count }, word).join(" ");
const documents = Array.from({ length: DOCUMENTS }, (_, id) => ({
  id,
  text: words(WORDS),
  year: Math.floor(random() * 100),
}));
const queries = Array.from({ length: SEARCHES }, () => words(4));

for (const backend of ["native", "wasm"]) {
  const collection = await open(":memory:", {
    schema: { text: text({ analyzer: "english" }), year: integer() },
    backend,
  });
  const start = performance.now();
  await collection.upsert(documents);
  const written = performance.now();
  const times = [];
  for (const query of queries) {
    const from = performance.now();
    await collection.search({ query: match(query), select: ["year"] });
    times.push((performance.now() - from) * 1000);
  }
  await collection.close();
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)].toFixed(0);
  const rate = (DOCUMENTS / ((written - start) / 1000)).toFixed(0);
  console.log(
    `${backend.padEnd(7)} ${rate} documents/s of ${WORDS} words; a search p50 ${at(0.5)} us, p99 ${at(0.99)} us`,
  );
}
