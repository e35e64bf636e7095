/** `npm run lint`: everything that reads the code without running it. */
import { clippy, format, tidy, types } from "./lib/checks.mjs";
import { Steps } from "./lib/run.mjs";
import { modules, rust } from "./lib/tools.mjs";

const steps = new Steps();
if ((await steps.step("node_modules", modules)) && (await steps.step("rust", rust))) {
  for (const check of [format, tidy, clippy, types]) await check(steps);
}
steps.finish("lint");
