/**
 * Finds a way to compile for wasm32-unknown-unknown.
 *
 * 1. The toolchain has the target (rustup, or a distribution that ships it).
 * 2. `rustup target add` can fetch it.
 * 3. Debian, as root or with sudo where they are not installed yet: packages with a second compiler (rustc-web, plain
 *    rustc in /usr/bin), the standard library's source and a linker. The library is built once, into a sysroot under
 *    .cache; where that stands already, 2 is not tried again.
 *
 * A compiler and the library's source must be of one version, so 3 never mixes with rustup's compiler.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { has, Missing, ROOT, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const DEBIAN_SOURCE = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_RUSTC = "/usr/bin/rustc";
const DEBIAN_CARGO = "/usr/bin/cargo";

/** Instructions that every supported runtime has. */
export const FEATURES = "-Ctarget-feature=+simd128";

/**
 * How to run cargo for the target.
 * @returns {Promise<{ cargo: string, env: Record<string, string>, version: string }>}
 */
export async function wasmTarget() {
  if (await toolchainHasTarget()) return ownToolchain();
  if (!builtStdBefore()) {
    await run("rustup", ["target", "add", TARGET], { fails: true, timeout_s: 180 });
    if (await toolchainHasTarget()) return ownToolchain();
  }
  if (debianLinker() !== undefined || (await debianInstall())) return debianToolchain();
  throw new Missing(missing());
}

function missing() {
  const debian = `apt-get install --no-install-recommends ${DEBIAN_PACKAGES.join(" ")}`;
  return `the WebAssembly target is missing; type: rustup target add ${TARGET} (or, on Debian as root: ${debian})`;
}

async function toolchainHasTarget() {
  const args = ["--print", "target-libdir", "--target", TARGET];
  const { code, stdout } = await run("rustc", args, { fails: true });
  const folder = stdout.trim();
  return (
    code === 0 && existsSync(folder) && readdirSync(folder).some((name) => /^libstd-.*\.rlib$/.test(name))
  );
}

async function ownToolchain() {
  const { stdout: version } = await run("rustc", ["-vV"]);
  return { cargo: "cargo", env: { [rustflags()]: FEATURES }, version };
}

const rustflags = () => "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

function builtStdBefore() {
  const cache = join(ROOT, ".cache");
  return existsSync(cache) && readdirSync(cache).some((name) => name.startsWith("wasm-sysroot-"));
}

/** The linker of an installed set of Debian's packages. */
function debianLinker() {
  if (![DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCE].every((file) => existsSync(file))) return undefined;
  const names = readdirSync("/usr/bin").filter((name) => /^wasm-ld(-\d+)?$/.test(name));
  return names.sort((a, b) => Number(b.split("-")[2] ?? 0) - Number(a.split("-")[2] ?? 0))[0];
}

async function debianInstall() {
  if (!existsSync("/etc/debian_version") || !(await has("apt-get"))) return false;
  const root = process.getuid?.() === 0;
  if (!root && !(await has("sudo", ["-n", "true"]))) return false;
  const apt = (args) => {
    const command = root ? ["apt-get", ...args] : ["sudo", "-n", "apt-get", ...args];
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    return run(command[0], command.slice(1), { env, fails: true, timeout_s: 600 });
  };
  console.log(`      installing ${DEBIAN_PACKAGES.join(" ")} for the WebAssembly target`);
  await apt(["update"]);
  const installed = await apt(["install", "-y", "--no-install-recommends", ...DEBIAN_PACKAGES]);
  if (installed.code !== 0) console.log(installed.output);
  return debianLinker() !== undefined;
}

async function debianToolchain() {
  const { stdout: version } = await run(DEBIAN_RUSTC, ["-vV"]);
  const env = {
    RUSTC: DEBIAN_RUSTC,
    RUSTDOC: "/usr/bin/rustdoc",
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: debianLinker() ?? "wasm-ld",
  };
  const sysroot = await buildStd(version, env);
  return { cargo: DEBIAN_CARGO, env: { ...env, [rustflags()]: `${FEATURES} --sysroot ${sysroot}` }, version };
}

/** With bitcode, so that link-time optimisation can take the library in. */
const STD_FLAGS = `${FEATURES} -Cembed-bitcode=yes`;

/** Builds the standard library for the target once a compiler version; gives the sysroot that holds it. */
async function buildStd(version, env) {
  // The name says all that went in: cargo takes what it built against another library for stale by the path alone.
  const name = createHash("sha256").update(`${version}${STD_FLAGS}`).digest("hex").slice(0, 12);
  const sysroot = join(ROOT, `.cache/wasm-sysroot-${name}`);
  const libraries = join(sysroot, "lib/rustlib", TARGET, "lib");
  if (existsSync(libraries)) return sysroot;
  console.log("      building the standard library for WebAssembly, once");
  const work = join(ROOT, ".cache/wasm-std");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, "src"), { recursive: true });
  // A crate of its own without dependencies: everything that cargo leaves beside it is the standard library.
  writeFileSync(
    join(work, "Cargo.toml"),
    '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[profile.release]\nstrip = "debuginfo"\n',
  );
  writeFileSync(join(work, "src/lib.rs"), "");
  const args = ["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"];
  await run(DEBIAN_CARGO, args, {
    cwd: work,
    env: { ...env, RUSTC_BOOTSTRAP: "1", CARGO_TARGET_DIR: join(work, "target"), [rustflags()]: STD_FLAGS },
  });
  const built = join(work, "target", TARGET, "release/deps");
  const half = `${libraries}.half`;
  mkdirSync(half, { recursive: true });
  for (const name of readdirSync(built)) {
    if (name.endsWith(".rlib") && !name.startsWith("libempty-"))
      copyFileSync(join(built, name), join(half, name));
  }
  renameSync(half, libraries);
  rmSync(work, { recursive: true, force: true });
  return sysroot;
}
