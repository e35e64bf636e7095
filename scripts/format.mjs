/** `npm run format`: writes Rust and TypeScript the way the checks want them. */
import { run, Steps } from "./lib/run.mjs";
import { bin, component, modules } from "./lib/tools.mjs";

const steps = new Steps();
if (await steps.step("node_modules", modules)) {
  await steps.step("cargo fmt", async () => {
    await component("rustfmt", ["fmt", "--version"]);
    await run("cargo", ["fmt", "--all"]);
  });
  await steps.step("biome", () =>
    run("node", [bin("@biomejs/biome/bin/biome"), "check", "--write", "."]).then(() => undefined),
  );
}
steps.finish("format");
