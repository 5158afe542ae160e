import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist", "public", "src/api/schema.d.ts"] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  hooks.configs.flat.recommended,
  { languageOptions: { parserOptions: { projectService: true } } },
  {
    rules: {
      // A number in a text is a number.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // Handlers of the DOM and of React may be asynchronous: what they throw is told by queries.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
    },
  },
  // Imports run one way: lib ← api ← uploads ← components ← pages.
  ...["lib", "api", "uploads", "components", "pages"].map((folder, n, all) => ({
    files: [`src/${folder}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: all
            .slice(n + 1)
            .map((above) => ({ group: [`@/${above}/**`, `**/../${above}/**`] })),
        },
      ],
    },
  })),
  { files: ["*.js"], ...ts.configs.disableTypeChecked },
);
