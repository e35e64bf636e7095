import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/main.ts", "src/node-storage.ts"],
  format: ["esm", "cjs"],
  platform: "neutral",
  target: "es2022",
  dts: true,
  clean: true,
  fixedExtension: true,
  tsconfig: "../../tsconfig.base.json",
});
