/** Opening the collection that a command works on. */
import type { Collection } from "../collection.js";
import { open } from "../open.js";
import type { Schema } from "../schema.js";
import { type Context, type Option, string, type Values } from "./command.js";

/** How to open it. */
export interface OpenFolder {
  /** Open for writing; otherwise read-only, beside any writer. */
  readonly write?: boolean;
  /** An older version, by its number or its tag. */
  readonly version?: number | string | undefined;
}

/** The option of commands that read: an older version. */
export const AT: Option = {
  type: "string",
  value: "version|tag",
  help: "read this kept version (tercet versions) instead of the newest",
};

/** The version that `--at` names: digits are a number, anything else a tag. */
export function versionAt(values: Values): number | string | undefined {
  const given = string(values, "at");
  return given !== undefined && /^\d+$/.test(given) ? Number(given) : given;
}

/** Opens a collection, hands it to `use`, and closes it again whatever happens. */
export async function withFolder<T>(
  folder: string,
  context: Context,
  options: OpenFolder,
  use: (collection: Collection<Schema>) => Promise<T>,
): Promise<T> {
  const { write = false, version } = options;
  const collection = await open(folder, {
    create: false,
    readOnly: !write,
    version,
    ...(context.backend === undefined ? {} : { backend: context.backend }),
    signal: context.signal,
  });
  try {
    return await use(collection);
  } finally {
    await collection.close();
  }
}
