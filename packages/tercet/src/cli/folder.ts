/** Opening the collection that a command works on. */
import type { Collection } from "../collection.js";
import { open } from "../open.js";
import type { Schema } from "../schema.js";
import type { Context } from "./command.js";

/** How to open it. */
export interface OpenFolder {
  /** Open for writing; otherwise read-only, beside any writer. */
  readonly write?: boolean;
}

/** Opens a collection, hands it to `use`, and closes it again whatever happens. */
export async function withFolder<T>(
  folder: string,
  context: Context,
  options: OpenFolder,
  use: (collection: Collection<Schema>) => Promise<T>,
): Promise<T> {
  const { write = false } = options;
  const collection = await open(folder, {
    create: false,
    readOnly: !write,
    ...(context.backend === undefined ? {} : { backend: context.backend }),
    signal: context.signal,
  });
  try {
    return await use(collection);
  } finally {
    await collection.close();
  }
}
