/** Folders without opening them: made of a snapshot, and repaired. */
import { type BackendChoice, loadBackend } from "./backend.js";
import type { BulkArray } from "./binding.js";
import { answer, invoke, type LongCallOptions } from "./call.js";
import { textArgument } from "./encode.js";
import { type CallSite, callSite, located, TercetError } from "./errors.js";
import { sourceArgument } from "./open.js";
import type { ImportReply, ImportRequest, RepairReply, RepairRequest } from "./wire/index.js";

/** Options of {@link importSnapshot} and {@link repair}. */
export interface FolderOptions extends LongCallOptions {
  /** The core to use; as in `open`. */
  readonly backend?: BackendChoice | undefined;
}

/**
 * Makes a collection that can be written to of a snapshot.
 *
 * The folder appears whole: until the last step there is no collection in it, whatever happens.
 * @param source what `exportSnapshot` gave: the path of its file, or its bytes
 * @param path the new collection's folder
 * @returns how many documents it has, and the bytes written
 * @throws TercetError ERR_EXISTS (there is a collection in the folder), ERR_NOT_FOUND, ERR_CORRUPT (with the section),
 * ERR_VERSION, ERR_LOCKED, ERR_ABORTED, ERR_IO
 * @example await importSnapshot("papers.tercet", "./papers");
 */
export async function importSnapshot(
  source: string | Uint8Array,
  path: string,
  options: FolderOptions = {},
): Promise<ImportReply> {
  const site = callSite(importSnapshot);
  try {
    const from = sourceArgument(source, "source", "a snapshot's file or bytes");
    const request: ImportRequest = {
      ...(from.path === "" ? {} : { from: from.path }),
      path: textArgument(path, "path", "a folder"),
    };
    return await call<ImportReply>("import", request, from.arrays, options, site);
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
}

/**
 * Makes a damaged folder a sound collection again, as far as its files allow, and says what it did and what is gone.
 *
 * Nothing is deleted: what could not be used stays in the folder under another name. Make a copy first all the same. A
 * folder with nothing wrong stays as it is, and `actions` is empty.
 * @param path the folder; nobody may have it open for writing
 * @returns what was done, in order; the documents that are there now, those that could not be read, and whether the
 * collection can be opened and verified now
 * @throws TercetError ERR_NOT_FOUND (no collection), ERR_LOCKED, ERR_VERSION (a newer format), ERR_IO
 * @example
 * const { actions, lost } = await repair("./papers");
 * console.log(actions.join("\n"), lost);
 */
export async function repair(path: string, options: FolderOptions = {}): Promise<RepairReply> {
  const site = callSite(repair);
  try {
    const request: RepairRequest = { path: textArgument(path, "path", "a folder") };
    return await call<RepairReply>("repair", request, [], options, site);
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
}

async function call<T>(
  verb: string,
  request: object,
  arrays: readonly BulkArray[],
  options: FolderOptions,
  site: CallSite,
): Promise<T> {
  const { binding } = await loadBackend(options.backend);
  const { signal, onProgress } = options;
  const wire = { binding, handle: binding.root, verb, request: JSON.stringify(request), arrays };
  return answer<T>(await invoke({ ...wire, options: { signal, onProgress }, site }));
}
