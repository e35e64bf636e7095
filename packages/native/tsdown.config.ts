import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/main.ts"],
  format: ["esm", "cjs"],
  platform: "node",
  target: "node20.17",
  dts: true,
  clean: true,
  fixedExtension: true,
  tsconfig: "../../tsconfig.base.json",
});
