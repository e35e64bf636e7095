/**
 * One behaviour suite, run against every backend: what one does, all do.
 *
 * A runtime is added by a test file that calls {@link behaviour} with a way to load the core there.
 */
import type { Binding } from "tercet/binding";
import { describe } from "vitest";
import { Kit, type Options } from "./kit.js";
import { badInput } from "./suites/bad-input.js";
import { damage, mending } from "./suites/damage.js";
import { documents } from "./suites/documents.js";
import { durable } from "./suites/durable.js";
import { evolution } from "./suites/evolve.js";
import { files } from "./suites/files.js";
import { filters } from "./suites/filters.js";
import { flatIndex } from "./suites/flat-index.js";
import { format } from "./suites/format.js";
import { graphs } from "./suites/graph.js";
import { history } from "./suites/history.js";
import { indexes } from "./suites/indexes.js";
import { ingest } from "./suites/ingest.js";
import { lexical } from "./suites/lexical.js";
import { lists } from "./suites/lists.js";
import { locks } from "./suites/locks.js";
import { lateInteraction } from "./suites/maxsim.js";
import { multiVectorIndex } from "./suites/multi-index.js";
import { nearest } from "./suites/near.js";
import { recommending } from "./suites/recommending.js";
import { root } from "./suites/root.js";
import { snapshots } from "./suites/snapshots.js";
import { sparseVectors } from "./suites/sparse.js";
import { sparseIndex } from "./suites/sparse-index.js";
import { versions } from "./suites/versions.js";
import { words } from "./suites/words.js";

export type { Options } from "./kit.js";
export { across } from "./suites/files.js";

/**
 * Declares the whole suite for one backend.
 * @param name what the backend is called in the report
 * @param load loads it; called once
 * @param options what it can do
 */
export function behaviour(name: string, load: () => Promise<Binding>, options: Options = {}): void {
  describe(name, () => {
    const kit = new Kit(load, options);
    for (const suite of [
      root,
      documents,
      filters,
      lexical,
      words,
      nearest,
      sparseVectors,
      graphs,
      lateInteraction,
      badInput,
      ingest,
      files,
      format,
      durable,
      versions,
      snapshots,
      evolution,
      damage,
      mending,
      locks,
      flatIndex,
      indexes,
      lists,
      sparseIndex,
      multiVectorIndex,
      recommending,
      history,
    ]) {
      suite(kit);
    }
  });
}
