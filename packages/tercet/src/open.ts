/** Opens collections. */
import { type BackendChoice, loadBackend } from "./backend.js";
import { answer, type CallOptions, invoke, opened } from "./call.js";
import { type Collection, makeCollection } from "./collection.js";
import { Encoder } from "./encode.js";
import { callSite, located, shown, TercetError } from "./errors.js";
import type { Schema } from "./schema.js";
import type { OpenReply } from "./wire/index.js";

/** Options of {@link open}. */
export interface OpenOptions<S extends Schema = Schema> extends CallOptions {
  /** The fields. Needed to create a collection; compared with what is stored (ERR_SCHEMA) when there is one. */
  readonly schema?: S | undefined;
  /** Make the collection when it is not there (needs a schema). Default true. */
  readonly create?: boolean | undefined;
  /** Open without the writer's lock; verbs that write fail with ERR_UNSUPPORTED. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * The core to use. Default: what TERCET_BACKEND says (`native` or `wasm`), else native where it loads, else wasm.
   * `collection.backend` says which one it was, and why.
   */
  readonly backend?: BackendChoice | undefined;
}

/**
 * Opens a collection, or makes one: a folder, or `:memory:`.
 *
 * With a schema, everything that the collection takes and gives is typed by it. Without one an existing collection is
 * opened as it is stored, and its documents are `Record<string, unknown>`.
 *
 * @param path a folder, or `:memory:` for a collection that lives as long as its handle
 * @throws TercetError ERR_SCHEMA (malformed, or different from what is stored), ERR_NOT_FOUND (nothing there, and
 * `create` is false or there is no schema), ERR_LOCKED (another writer), ERR_CORRUPT, ERR_VERSION (a newer format),
 * ERR_UNSUPPORTED (no backend loads), ERR_IO
 * @example
 * await using papers = await open("./papers", { schema: { title: text(), year: integer({ optional: true }) } });
 */
export async function open<const S extends Schema = Schema>(
  path: string,
  options: OpenOptions<S> = {},
): Promise<Collection<S>> {
  const site = callSite(open);
  if (typeof path !== "string" || path === "") {
    const expected = "a folder or `:memory:`";
    const error = new TercetError("ERR_ARGUMENT", `\`path\` must be ${expected}, found ${shown(path)}`, {
      field: "path",
      expected,
      found: shown(path),
    });
    throw located(error, site);
  }
  try {
    const { schema, create, readOnly, signal } = options;
    const fields = schema === undefined ? undefined : { fields: schemaFields(schema) };
    const { binding, backend } = await loadBackend(options.backend);
    const request = JSON.stringify({ path, schema: fields, create, readOnly });
    const reply = await invoke({
      binding,
      handle: binding.root,
      verb: "open",
      request,
      options: { signal },
      site,
    });
    return makeCollection<S>({
      binding,
      backend,
      handle: opened(reply, "open"),
      path,
      schema: answer<OpenReply>(reply).schema.fields,
      readOnly: readOnly === true,
    });
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
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
