/** `npm test`: everything that must hold before a change is kept. */
import { native, prepare, ts, wasm } from "./lib/build.mjs";
import { clippy, format, tidy, types } from "./lib/checks.mjs";
import { saveCounts } from "./lib/counts.mjs";
import { generated } from "./lib/generated.mjs";
import { Steps } from "./lib/run.mjs";
import { cargoTest, crash, testPrograms, vitest } from "./lib/suites.mjs";

const steps = new Steps();
if (await prepare(steps)) {
  await format(steps);
  await tidy(steps);
  // Side by side: an optimised build is one thread for most of its time, and locks another folder than what is checked.
  const optimised = async () => {
    await native(steps);
    await wasm(steps);
  };
  const checked = async () => {
    await clippy(steps);
    await steps.step("generated types unchanged", () => generated(true));
  };
  await Promise.all([optimised(), checked()]);
  await ts(steps);
  await types(steps);
  await steps.step("cargo test", () => cargoTest(steps, ["--workspace"]));
  await steps.step("kernels and index, scalar", () =>
    testPrograms(steps, ["kernels", "index"], { TERCET_ISA: "scalar" }),
  );
  await steps.step("vitest", () => vitest(steps, { types: true }));
  await steps.step("a writer killed 10 times", () => crash(10));
}
saveCounts("test", steps);
steps.finish("npm test");
