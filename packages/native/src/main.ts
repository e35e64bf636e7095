/**
 * Loads the native core: the addon of this platform, by a static table, so that bundlers see every file and nothing is
 * searched for. Each addon is a package of its own (`@tercet/native-<platform>`), or a file beside this package.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Binding, Control, Handle } from "../../tercet/src/binding.js";

/** What an addon exports. */
interface Addon {
  version(): string;
  root(): Handle;
  Control: new () => Control;
}

const require = createRequire(import.meta.url);

/** Platform, architecture and C library to the places where its addon may be, in order. */
const ADDONS: Readonly<Record<string, readonly [place: string, load: () => unknown][]>> = {
  "linux-x64-gnu": [
    ["tercet.linux-x64-gnu.node", () => require("../tercet.linux-x64-gnu.node")],
    ["@tercet/native-linux-x64-gnu", () => require("@tercet/native-linux-x64-gnu")],
  ],
  "linux-x64-musl": [
    ["tercet.linux-x64-musl.node", () => require("../tercet.linux-x64-musl.node")],
    ["@tercet/native-linux-x64-musl", () => require("@tercet/native-linux-x64-musl")],
  ],
  "linux-arm64-gnu": [
    ["tercet.linux-arm64-gnu.node", () => require("../tercet.linux-arm64-gnu.node")],
    ["@tercet/native-linux-arm64-gnu", () => require("@tercet/native-linux-arm64-gnu")],
  ],
  "linux-arm64-musl": [
    ["tercet.linux-arm64-musl.node", () => require("../tercet.linux-arm64-musl.node")],
    ["@tercet/native-linux-arm64-musl", () => require("@tercet/native-linux-arm64-musl")],
  ],
  "darwin-x64": [
    ["tercet.darwin-x64.node", () => require("../tercet.darwin-x64.node")],
    ["@tercet/native-darwin-x64", () => require("@tercet/native-darwin-x64")],
  ],
  "darwin-arm64": [
    ["tercet.darwin-arm64.node", () => require("../tercet.darwin-arm64.node")],
    ["@tercet/native-darwin-arm64", () => require("@tercet/native-darwin-arm64")],
  ],
  "win32-x64": [
    ["tercet.win32-x64.node", () => require("../tercet.win32-x64.node")],
    ["@tercet/native-win32-x64", () => require("@tercet/native-win32-x64")],
  ],
  "win32-arm64": [
    ["tercet.win32-arm64.node", () => require("../tercet.win32-arm64.node")],
    ["@tercet/native-win32-arm64", () => require("@tercet/native-win32-arm64")],
  ],
};

/** No addon could be loaded. */
export class NativeUnavailableError extends Error {
  override readonly name = "NativeUnavailableError";
  /** Stable, as on every error of tercet. */
  readonly code = "ERR_UNSUPPORTED";
  /** This platform, as the table names it. */
  readonly platform: string;
  /** What was tried, and why it failed. */
  readonly tried: readonly { readonly place: string; readonly reason: string }[];

  constructor(platform: string, tried: readonly { place: string; reason: string }[]) {
    const list = tried.map(({ place, reason }) => `\n  ${place}: ${reason}`).join("");
    super(
      tried.length === 0
        ? `there is no native core for ${platform}`
        : `no native core could be loaded for ${platform}; tried:${list}`,
    );
    this.platform = platform;
    this.tried = tried;
  }
}

/**
 * Loads the native core. The addon itself is loaded once a process, however often this is called and whether by
 * `import` or by `require`; every call gives a root of its own.
 * @throws NativeUnavailableError when there is none for this platform
 */
export function load(): Binding {
  const platform = platformName();
  const tried: { place: string; reason: string }[] = [];
  for (const [place, open] of ADDONS[platform] ?? []) {
    try {
      return bind(open() as Addon);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      tried.push({ place, reason: reason.split("\n")[0] ?? reason });
    }
  }
  throw new NativeUnavailableError(platform, tried);
}

function bind(addon: Addon): Binding {
  return {
    backend: "native",
    version: addon.version(),
    root: addon.root(),
    control: () => new addon.Control(),
  };
}

/** This platform's name in the table. */
export function platformName(): string {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${name}-${isMusl() ? "musl" : "gnu"}` : name;
}

/** Whether the C library of this process is musl: its loader then stands in the process's memory map. */
function isMusl(): boolean {
  try {
    return /\/(ld-musl-|libc\.musl)/.test(readFileSync("/proc/self/maps", "utf8"));
  } catch {
    return false;
  }
}
