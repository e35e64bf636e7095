/**
 * SQLite with FTS5, as durable.mjs measures it: a table with a unique id, and an FTS5 index over its columns (external
 * content, so that texts are stored once). Kept in step by triggers, as SQLite's documentation has it. better-sqlite3 where
 * the folder of peers has it, else node:sqlite.
 */
import { createRequire } from "node:module";
import { join } from "node:path";

export const MODES = {
  "synchronous=FULL": { synchronous: "FULL" },
  "synchronous=NORMAL": { synchronous: "NORMAL" },
  "synchronous=OFF": { synchronous: "OFF" },
  memory: { synchronous: "OFF" },
};

let Driver;
let driver;

async function load() {
  try {
    Driver = createRequire(join(process.env.TERCET_BENCH_PEERS ?? "/nonexistent", "package.json"))(
      "better-sqlite3",
    );
    driver = "better-sqlite3";
  } catch {
    ({ DatabaseSync: Driver } = await import("node:sqlite"));
    driver = "node:sqlite";
  }
}

export async function warmUp() {
  await load();
  const db = new Driver(":memory:");
  db.exec("CREATE VIRTUAL TABLE warm USING fts5(text, tokenize = 'porter unicode61')");
  const { version } = db.prepare("SELECT sqlite_version() AS version").get();
  db.close();
  return `SQLite ${version} (${driver})`;
}

export async function connect(path, set, mode) {
  const db = new Driver(mode === "memory" ? ":memory:" : `${path}.sqlite`);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${MODES[mode].synchronous}`);
  const names = Object.keys(set.fields);
  create(db, set, names);
  const statements = prepared(db, set, names);
  const write = (documents) => {
    db.exec("BEGIN IMMEDIATE");
    for (const document of documents)
      statements.upsert.run(document.id, ...names.map((name) => document[name]));
    db.exec("COMMIT");
  };
  return {
    write,
    stream: async (documents, batchSize) => {
      let batch = [];
      for await (const document of documents) {
        batch.push(document);
        if (batch.length < batchSize) continue;
        write(batch);
        batch = [];
      }
      if (batch.length > 0) write(batch);
    },
    search: (query, filter) => {
      const words = query.match(/[\p{L}\p{N}]+/gu).map((word) => `"${word}"`);
      const asked = `${set.asked} : (${words.join(" OR ")})`;
      return filter === undefined
        ? statements.search.all(asked)
        : statements.filtered.all(asked, filter.year.gte);
    },
    get: (id) => statements.get.get(id),
    count: () => statements.count.get().count,
    countYear: (year) => statements.countYear.get(year).count,
    compact: () => {
      db.exec("INSERT INTO words (words) VALUES ('optimize')");
      db.exec("VACUUM");
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    },
    close: () => db.close(),
  };
}

const TYPES = { text: "TEXT", keyword: "TEXT", integer: "INTEGER" };

function create(db, set, names) {
  const columns = names.map((name) => `${name} ${TYPES[set.fields[name]]} NOT NULL`).join(", ");
  const id = set.id === "integer" ? "id INTEGER PRIMARY KEY" : "id TEXT NOT NULL UNIQUE";
  const key = set.id === "integer" ? "id" : "rowid";
  const searched = names.filter((name) => set.fields[name] === "text");
  const list = searched.join(", ");
  const [fresh, old] = ["new", "old"].map((row) => searched.map((name) => `${row}.${name}`).join(", "));
  const remove = `INSERT INTO words (words, rowid, ${list}) VALUES ('delete', old.${key}, ${old});`;
  const insert = `INSERT INTO words (rowid, ${list}) VALUES (new.${key}, ${fresh});`;
  db.exec(`
    CREATE TABLE IF NOT EXISTS documents (${id}, ${columns});
    CREATE VIRTUAL TABLE IF NOT EXISTS words
      USING fts5(${list}, content = 'documents', content_rowid = '${key}', tokenize = 'porter unicode61');
    CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON documents BEGIN ${insert} END;
    CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON documents BEGIN ${remove} END;
    CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE ON documents BEGIN ${remove} ${insert} END;
  `);
}

function prepared(db, set, names) {
  const key = set.id === "integer" ? "id" : "rowid";
  const changes = names.map((name) => `${name} = excluded.${name}`).join(", ");
  const search = (where) => `
    SELECT documents.* FROM words JOIN documents ON documents.${key} = words.rowid
    WHERE words MATCH ? ${where} ORDER BY rank LIMIT 10`;
  const year = "year" in set.fields;
  return {
    upsert: db.prepare(
      `INSERT INTO documents (id, ${names.join(", ")}) VALUES (?, ${names.map(() => "?").join(", ")})
       ON CONFLICT (id) DO UPDATE SET ${changes}`,
    ),
    search: db.prepare(search("")),
    filtered: year ? db.prepare(search("AND documents.year >= ?")) : undefined,
    get: db.prepare("SELECT * FROM documents WHERE id = ?"),
    count: db.prepare("SELECT count(*) AS count FROM documents"),
    countYear: year ? db.prepare("SELECT count(*) AS count FROM documents WHERE year = ?") : undefined,
  };
}
