/**
 * The files that a host lends to the core, synchronously. Paths are the host's own, joined with `/`.
 *
 * A method that fails throws an error with a `code`: `ENOENT`, `EEXIST`, `ENOSPC` (also `EDQUOT`, `EFBIG`) or `ELOCKED`
 * (then with the `holder`'s process number, where it is known); any other error is passed on with its message.
 */
export interface Storage {
  /** Length of a file in bytes. */
  size(path: string): number;
  /** Reads a file's bytes from offset `start` on into `into` and says how many there were. The file may be growing. */
  read(path: string, into: Uint8Array, start: number): number;
  /** Makes a new file; a name that is taken is an error. */
  create(path: string): StorageFile;
  /** Moves a file within its folder, atomically replacing what stands there. */
  rename(from: string, to: string): void;
  /** Removes a file. */
  remove(path: string): void;
  /** Whether a file or a folder stands there. */
  exists(path: string): boolean;
  /** Names (not paths) in a folder. */
  list(path: string): string[];
  /** Makes a folder and those above it; fine if it exists. */
  makeDirs(path: string): void;
  /** Makes the names in a folder durable. */
  syncDir(path: string): void;
  /**
   * Takes an exclusive lock without waiting. While it is held a file stands at `path`, which {@link list} shows; it stays
   * afterwards, and its content decides nothing. Who holds the lock may remove the file. A lock dies with its process.
   */
  lock(path: string): StorageLock;
}

/** A file being written, front to back. */
export interface StorageFile {
  /** Appends all of `bytes`, which are only valid until it returns. */
  write(bytes: Uint8Array): void;
  /** Makes everything written so far durable. */
  sync(): void;
  /** Closes it. */
  close(): void;
}

/** A lock that is held. */
export interface StorageLock {
  /** Lets it go. */
  release(): void;
}
