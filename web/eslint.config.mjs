import tseslint from "typescript-eslint";

export default tseslint.config(tseslint.configs.strict, {
  rules: { eqeqeq: "error", "no-eval": "error", "no-implied-eval": "error" },
});
