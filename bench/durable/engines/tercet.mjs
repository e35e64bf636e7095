/** tercet, as durable.mjs measures it. */
import { info, integer, keyword, match, open, text } from "tercet";

export const MODES = {
  commit: { durability: "commit" },
  "interval 1 s": { durability: { intervalMs: 1000 } },
  memory: {},
};

const FIELD = { text: () => text({ analyzer: "english" }), keyword, integer };

export async function warmUp() {
  const { version, isa } = await info();
  const collection = await open(":memory:", { schema: { text: text() } });
  await collection.upsert([{ id: 1, text: "warm" }]);
  await collection.search({ query: match("warm") });
  await collection.close();
  return `tercet ${version} (${isa})`;
}

export async function connect(path, set, mode) {
  const schema = Object.fromEntries(Object.entries(set.fields).map(([name, kind]) => [name, FIELD[kind]()]));
  const where = mode === "memory" ? ":memory:" : path;
  const collection = await open(where, { schema, ...MODES[mode] });
  return {
    write: (documents) => collection.upsert(documents),
    stream: (documents, batchSize) => collection.upsert(documents, { batchSize }),
    search: async (query, filter) => {
      const page = await collection.search({
        query: match(query, { fields: [set.asked] }),
        where: filter,
        limit: 10,
      });
      return page.hits.map(({ document }) => document);
    },
    get: (id) => collection.get(id),
    count: () => collection.count(),
    countYear: (year) => collection.count({ year }),
    compact: () => collection.compact(),
    stats: async () => {
      const { fields: _, ...stats } = await collection.stats();
      return { ...stats, segments: stats.segments?.length };
    },
    close: () => collection.close(),
  };
}
