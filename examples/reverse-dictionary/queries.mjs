/** Usage examples as queries whose answer is known. */
import { standsIn } from "./wordnet.mjs";

/**
 * Chooses usage examples as queries, the same ones for the same seed. Each has one right answer, the sense that it
 * illustrates. An example that stands word for word in its sense's own document is no question and is never chosen.
 * @param senses what `readSenses` gives
 * @returns {{ id: string, text: string, answer: string }[]}
 */
export function chooseQueries(senses, howMany, seed = 7) {
  const all = senses.flatMap(({ document, examples }) =>
    examples.filter((text) => !standsIn(text, document)).map((text) => ({ text, answer: document.id })),
  );
  const random = generator(seed);
  const chosen = Math.min(howMany, all.length);
  for (let i = 0; i < chosen; i++) {
    const other = i + Math.floor(random() * (all.length - i));
    [all[i], all[other]] = [all[other], all[i]];
  }
  return all.slice(0, chosen).map((query, i) => ({ id: `q${i + 1}`, ...query }));
}

// Mulberry32: a small generator of numbers in [0, 1), the same on every machine.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
