/** What the module imports: a clock, chance, last words, and the files of a {@link Storage}. */
import type { Storage, StorageFile, StorageLock } from "./storage.js";

/** The codes of crates/wasm/src/host.rs. */
const CODES: Record<string, number> = {
  ENOENT: -1,
  EEXIST: -2,
  ENOSPC: -3,
  EDQUOT: -3,
  EFBIG: -3,
  ELOCKED: -4,
};
const OTHER = -5;

/** One instance's side of the host. */
export class Host {
  /** The message of a panic, once there was one. */
  panic: string | undefined;
  #memory: WebAssembly.Memory | undefined;
  #pending = new Uint8Array(0);
  #next = 0;
  readonly #storage: Storage | undefined;
  readonly #files = new Map<number, StorageFile>();
  readonly #locks = new Map<number, StorageLock>();

  constructor(storage: Storage | undefined) {
    this.#storage = storage;
  }

  /** The memory of the instance, known once it exists. */
  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  /** Closes files and lets locks go that a discarded instance left. */
  release(): void {
    for (const file of this.#files.values()) quietly(() => file.close());
    for (const lock of this.#locks.values()) quietly(() => lock.release());
    this.#files.clear();
    this.#locks.clear();
  }

  /** The functions to instantiate with. Paths and texts come as pointer and length. */
  imports(): WebAssembly.Imports {
    return {
      tercet: {
        now: () => Date.now(),
        random: () => Math.floor(Math.random() * 2 ** 32) | 0,
        panicked: (at: number, length: number) => {
          this.panic = this.#text(at, length);
        },
        pending: () => this.#pending.length,
        take: (at: number, length: number) => this.#bytes(at, length).set(this.#pending.subarray(0, length)),
        ...this.#fileImports(),
        ...this.#folderImports(),
      },
    };
  }

  #fileImports(): Record<string, (...args: number[]) => number> {
    return {
      fs_size: (at = 0, length = 0) => this.#answer((files) => files.size(this.#text(at, length))),
      fs_read: (at = 0, length = 0, start = 0, to = 0, toLength = 0) =>
        this.#answer((files) => files.read(this.#text(at, length), this.#bytes(to, toLength), start)),
      fs_create: (at = 0, length = 0) =>
        this.#answer((files) => this.#keep(this.#files, files.create(this.#text(at, length)))),
      fs_write: (file = 0, from = 0, length = 0) =>
        this.#answer(() => this.#files.get(file)?.write(this.#bytes(from, length))),
      fs_sync: (file = 0) => this.#answer(() => this.#files.get(file)?.sync()),
      fs_close: (file = 0) => this.#answer(() => this.#drop(this.#files, file)?.close()),
    };
  }

  #folderImports(): Record<string, (...args: number[]) => number> {
    return {
      fs_rename: (from = 0, fromLength = 0, to = 0, toLength = 0) =>
        this.#answer((files) => files.rename(this.#text(from, fromLength), this.#text(to, toLength))),
      fs_remove: (at = 0, length = 0) => this.#answer((files) => files.remove(this.#text(at, length))),
      fs_exists: (at = 0, length = 0) =>
        this.#answer((files) => (files.exists(this.#text(at, length)) ? 1 : 0)),
      fs_list: (at = 0, length = 0) =>
        this.#answer((files) => this.#wait(files.list(this.#text(at, length)).join("\0"))),
      fs_make_dirs: (at = 0, length = 0) => this.#answer((files) => files.makeDirs(this.#text(at, length))),
      fs_sync_dir: (at = 0, length = 0) => this.#answer((files) => files.syncDir(this.#text(at, length))),
      fs_lock: (at = 0, length = 0) =>
        this.#answer((files) => this.#keep(this.#locks, files.lock(this.#text(at, length)))),
      fs_unlock: (lock = 0) => this.#answer(() => this.#drop(this.#locks, lock)?.release()),
    };
  }

  #answer(work: (files: Storage) => unknown): number {
    try {
      if (this.#storage === undefined) throw new Error("no storage was handed to the WebAssembly core");
      const result = work(this.#storage);
      return typeof result === "number" ? result : 0;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): number {
    const { code, holder } = error as { code?: unknown; holder?: unknown };
    const known = typeof code === "string" ? CODES[code] : undefined;
    if (code === "ELOCKED") this.#wait(holder === undefined ? "" : String(holder));
    else this.#wait(error instanceof Error ? error.message : String(error));
    return known ?? OTHER;
  }

  #wait(text: string): number {
    this.#pending = new TextEncoder().encode(text);
    return this.#pending.length;
  }

  #keep<T>(open: Map<number, T>, thing: T): number {
    this.#next += 1;
    open.set(this.#next, thing);
    return this.#next;
  }

  #drop<T>(open: Map<number, T>, key: number): T | undefined {
    const thing = open.get(key);
    open.delete(key);
    return thing;
  }

  #text(at: number, length: number): string {
    return new TextDecoder().decode(this.#bytes(at, length));
  }

  #bytes(at: number, length: number): Uint8Array {
    const memory = this.#memory;
    if (memory === undefined) throw new Error("the instance has no memory yet");
    return new Uint8Array(memory.buffer, at >>> 0, length >>> 0);
  }
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // The instance is gone already; what cannot be closed is the host's to clean up.
  }
}
