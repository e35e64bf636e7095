/**
 * LanceDB, as durable.mjs measures it: a table, and when all is written an FTS index for each text field and an index of
 * the ids (`finish`, timed by itself). Ids are not unique: `add` does not look for an older document of the same id, which
 * the others do. Nothing is synced: strace sees no fsync, so what it wrote outlives the process, but not a power cut.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export const MODES = { default: {} };

let lancedb;
let arrow;

async function load() {
  const { resolve } = createRequire(join(process.env.TERCET_BENCH_PEERS ?? "/nonexistent", "package.json"));
  lancedb = await import(pathToFileURL(resolve("@lancedb/lancedb")));
  arrow = await import(pathToFileURL(resolve("apache-arrow")));
  return resolve("@lancedb/lancedb");
}

export async function warmUp() {
  const found = await load();
  const { version } = createRequire(found)("../package.json");
  return `LanceDB ${version}`;
}

export async function connect(path, set) {
  const db = await lancedb.connect(`${path}.lance`);
  const table = (await db.tableNames()).includes("documents")
    ? await db.openTable("documents")
    : await db.createEmptyTable("documents", schemaOf(set));
  const write = (documents) => table.add(documents);
  const question = (query) => table.query().fullTextSearch(query, { columns: [set.asked] });
  return {
    write,
    stream: async (documents, batchSize) => {
      let batch = [];
      for await (const document of documents) {
        batch.push(document);
        if (batch.length < batchSize) continue;
        await write(batch);
        batch = [];
      }
      if (batch.length > 0) await write(batch);
    },
    finish: async () => {
      for (const [name, kind] of Object.entries(set.fields)) {
        if (kind !== "text") continue;
        await table.createIndex(name, {
          config: lancedb.Index.fts({ stem: true, removeStopWords: true }),
        });
      }
      await table.createIndex("id", { config: lancedb.Index.btree() });
    },
    search: (query, filter) => {
      const asked =
        filter === undefined ? question(query) : question(query).where(`year >= ${filter.year.gte}`);
      return asked.limit(10).toArray();
    },
    get: async (id) => {
      const value = typeof id === "number" ? id : `'${id}'`;
      return (await table.query().where(`id = ${value}`).limit(1).toArray())[0];
    },
    count: () => table.countRows(),
    countYear: (year) => table.countRows(`year = ${year}`),
    compact: () => table.optimize({ cleanupOlderThan: new Date() }),
    close: () => {
      table.close();
      db.close();
    },
  };
}

function schemaOf(set) {
  const type = (kind) => (kind === "integer" ? new arrow.Int32() : new arrow.Utf8());
  return new arrow.Schema([
    new arrow.Field("id", type(set.id), false),
    ...Object.entries(set.fields).map(([name, kind]) => new arrow.Field(name, type(kind), false)),
  ]);
}
