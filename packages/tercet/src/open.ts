/** Opens collections. */
import { type BackendChoice, loadBackend } from "./backend.js";
import type { BulkArray } from "./binding.js";
import { answer, type CallOptions, invoke, opened } from "./call.js";
import { type Collection, makeCollection } from "./collection.js";
import { Encoder, wholeArgument, wrong } from "./encode.js";
import { callSite, located, shown, TercetError } from "./errors.js";
import { IntervalSync } from "./interval.js";
import type { FieldsOf, Schema } from "./schema.js";
import type { Evolve, OpenReply, OpenRequest } from "./wire/index.js";

/**
 * When a batch is durable: `"commit"`, when its promise resolves; or `{ intervalMs }`, at most so many milliseconds later
 * (1 to 2,147,483,647): commits are then faster, a killed process still loses nothing, and a power cut takes at most that
 * much.
 */
export type Durability = "commit" | { readonly intervalMs: number };

/**
 * Steps from the stored schema to the given one: fields are dropped, then renamed, then added. Steps that were taken
 * before are no error, so a program may keep them for good.
 */
export interface Evolution<S extends Schema = Schema> {
  /** Fields of the given schema that the stored one lacks; they must be optional, and every document lacks them. */
  readonly add?: readonly FieldsOf<S>[] | undefined;
  /** Fields of the stored schema that go. Nobody sees them from now on; merges free their bytes. */
  readonly drop?: readonly string[] | undefined;
  /** Old names to names in the given schema. Nothing is rewritten. */
  readonly rename?: { readonly [old: string]: FieldsOf<S> } | undefined;
}

/** Options of {@link open}. */
export interface OpenOptions<S extends Schema = Schema> extends CallOptions {
  /** The fields. Needed to create a collection; compared with what is stored (ERR_SCHEMA) when there is one. */
  readonly schema?: S | undefined;
  /** Make the collection when it is not there (needs a schema). Default true. */
  readonly create?: boolean | undefined;
  /** Open without the writer's lock; verbs that write fail with ERR_UNSUPPORTED. Default false. */
  readonly readOnly?: boolean | undefined;
  /** When a batch is durable. Default `"commit"`. */
  readonly durability?: Durability | undefined;
  /**
   * What is checked before the first answer. `"lazy"` (the default): manifest, tables of contents and the log; the rest
   * when it is first touched, so that opening does not read what nobody asks for. `"full"`: every checksum and every
   * structure, so that no damage on the disk can show as a wrong answer later.
   */
  readonly verify?: "lazy" | "full" | undefined;
  /** A kept version by its number or its tag, instead of the newest. Opens for reading only. */
  readonly version?: number | string | undefined;
  /**
   * Open for reading only: look for newer commits before a read, at most this often, in milliseconds (0: before every
   * read). Default: only when `refresh` is called.
   */
  readonly refreshMs?: number | undefined;
  /** How long a version stays after a newer one replaced it, while this writer is open, in milliseconds. Default 60,000. */
  readonly retainMs?: number | undefined;
  /** Memory for staged batches and merges beyond the mapped files, in bytes, 33,554,432 or more. Default 536,870,912. */
  readonly memoryBytes?: number | undefined;
  /**
   * The length at which the log becomes a segment, in bytes, 4,096 to 1,073,741,824. Bounds what `open` has to replay
   * after a crash. Default 16,777,216.
   */
  readonly logBytes?: number | undefined;
  /**
   * How the stored schema becomes `schema`. Without it a schema that differs is refused.
   * @example
   * open("./papers", { schema: next, evolve: { drop: ["x"], rename: { old: "name" }, add: ["y"] } })
   */
  readonly evolve?: Evolution<NoInfer<S>> | undefined;
  /**
   * The core to use. Default: what TERCET_BACKEND says (`native` or `wasm`), else native where it loads, else wasm.
   * `collection.backend` says which one it was, and why.
   */
  readonly backend?: BackendChoice | undefined;
}

/**
 * Opens a collection, or makes one: a folder, `:memory:`, or a snapshot as a file or as bytes.
 *
 * With a schema, everything that the collection takes and gives is typed by it. Without one an existing collection is
 * opened as it is stored, and its documents are `Record<string, unknown>`.
 *
 * A folder has one writer, in whichever process or worker thread, and any number of readers. Opening after a crash
 * replays the log: every batch that had been resolved is there, and `collection.recovered` says what was found. A
 * snapshot is always open for reading.
 *
 * @param source a folder; `:memory:` for a collection that lives as long as its handle; or what `exportSnapshot` gave:
 * the path of its file (mapped on the native backend, not read), or its bytes (they are copied)
 * @throws TercetError ERR_SCHEMA (malformed, or different from what is stored), ERR_NOT_FOUND (nothing there, and
 * `create` is false or there is no schema; or no such version), ERR_LOCKED (another writer; the message has its process
 * number), ERR_CORRUPT, ERR_VERSION (a newer format), ERR_UNSUPPORTED (no backend loads), ERR_IO
 * @example
 * await using papers = await open("./papers", { schema: { title: text(), year: integer({ optional: true }) } });
 * const copy = await open(new Uint8Array(await (await fetch("/papers.tercet")).arrayBuffer()));
 */
export async function open<const S extends Schema = Schema>(
  source: string | Uint8Array,
  options: OpenOptions<S> = {},
): Promise<Collection<S>> {
  const site = callSite(open);
  try {
    const { path, arrays } = sourceArgument(
      source,
      "path",
      "a folder, a snapshot's file or bytes, or `:memory:`",
    );
    const request = JSON.stringify(openRequest(path, options));
    const { binding, backend } = await loadBackend(options.backend);
    const { signal } = options;
    const call = { binding, handle: binding.root, verb: "open", request, arrays, options: { signal }, site };
    const reply = await invoke(call);
    const handle = opened(reply, "open");
    return makeCollection<S>({
      binding,
      backend,
      handle,
      path,
      reply: answer<OpenReply>(reply),
      interval:
        typeof options.durability === "object"
          ? new IntervalSync(binding, handle, options.durability.intervalMs)
          : undefined,
    });
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
}

/** A path, or bytes beside an empty one. */
export function sourceArgument(
  source: unknown,
  name: string,
  expected: string,
): { readonly path: string; readonly arrays: BulkArray[] } {
  // By its tag: bytes of another realm (a vm context, a frame) are bytes too.
  if (Object.prototype.toString.call(source) === "[object Uint8Array]") {
    return { path: "", arrays: [source as Uint8Array] };
  }
  if (typeof source === "string" && source !== "") return { path: source, arrays: [] };
  throw wrong("ERR_ARGUMENT", name, expected, shown(source));
}

/** The request, with everything checked that JSON would lose and the core could only call bad JSON. */
function openRequest<S extends Schema>(path: string, options: OpenOptions<S>): OpenRequest {
  const { create, readOnly, durability, verify, version, evolve } = options;
  const { refreshMs, retainMs, memoryBytes, logBytes } = options;
  for (const [name, value] of Object.entries({ create, readOnly })) {
    if (value !== undefined && typeof value !== "boolean")
      throw wrong("ERR_TYPE", name, "true or false", shown(value));
  }
  const numbers = { refreshMs, retainMs, memoryBytes, logBytes };
  for (const [name, value] of Object.entries(numbers)) wholeArgument(value, name);
  if (verify !== undefined && verify !== "lazy" && verify !== "full")
    throw wrong("ERR_ARGUMENT", "verify", '"lazy" or "full"', shown(verify));
  if (version !== undefined && (typeof version !== "string" || version === "")) {
    if (typeof version !== "number")
      throw wrong("ERR_TYPE", "version", "a version's number or a tag", shown(version));
    wholeArgument(version, "version");
  }
  // What is undefined is left out of the JSON.
  return {
    path,
    schema: options.schema === undefined ? undefined : { fields: schemaFields(options.schema) },
    create,
    readOnly,
    durability: durabilityArgument(durability),
    verify,
    version,
    ...numbers,
    evolve: evolve === undefined ? undefined : evolveArgument(evolve),
  } as OpenRequest;
}

function durabilityArgument(durability: unknown): Durability | undefined {
  if (durability === undefined || durability === "commit") return durability;
  const { intervalMs, ...others } = record(durability) ?? {};
  if (intervalMs === undefined || Object.keys(others).length > 0)
    throw wrong("ERR_ARGUMENT", "durability", '"commit" or { intervalMs }', shown(durability));
  wholeArgument(intervalMs, "intervalMs");
  return { intervalMs: intervalMs as number };
}

function evolveArgument(evolve: unknown): Evolve {
  const { add = [], drop = [], rename = {}, ...others } = record(evolve) ?? { others: evolve };
  if (Object.keys(others).length > 0)
    throw wrong("ERR_ARGUMENT", "evolve", "an object of `add`, `drop` and `rename`", shown(evolve));
  for (const [name, fields] of Object.entries({ add, drop })) {
    if (!Array.isArray(fields) || fields.some((field) => typeof field !== "string"))
      throw wrong("ERR_TYPE", `evolve.${name}`, "a list of field names", shown(fields));
  }
  const names = record(rename);
  if (names === undefined || Object.values(names).some((field) => typeof field !== "string"))
    throw wrong("ERR_TYPE", "evolve.rename", "an object of old names to new ones", shown(rename));
  return new Encoder().value({ add, drop, rename }, "evolve", 0) as Evolve;
}

function record(value: unknown): Record<string, unknown> | undefined {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  return isRecord ? (value as Record<string, unknown>) : undefined;
}

/** The fields as JSON carries them; what it cannot carry is a fault of the schema. */
function schemaFields(schema: Schema): Record<string, unknown> {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    const found = shown(schema);
    const message = `\`schema\` must be an object of fields, found ${found}`;
    throw new TercetError("ERR_SCHEMA", message, { expected: "an object of fields", found });
  }
  const entries = Object.entries(schema).map(([name, field]) => {
    try {
      return [name, new Encoder().value(field, name, 0)] as const;
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
      const { message, expected = "", found = "" } = error;
      throw new TercetError("ERR_SCHEMA", `field \`${name}\`: ${message}`, { field: name, expected, found });
    }
  });
  return Object.fromEntries(entries);
}
