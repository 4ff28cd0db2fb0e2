// Bundles the page into shared/dashboard/: files named by their content, index.html, the licences.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "shared", "dashboard");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

// The sample that an empty service offers to load.
const named = (stem, kind, content) => {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const name = `${stem}-${hash}.${kind}`;
  writeFileSync(join(out, name), content);
  return name;
};
const sample = (file) => readFileSync(join(here, "..", "samples", file));
const csv = named("sample", "csv", sample("brand.csv"));
const spec = named("sample", "json", sample("brand_spec.json"));

const { metafile } = await build({
  entryPoints: { app: join(here, "src", "app.tsx"), look: join(here, "src", "look.css") },
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: out,
  entryNames: "[name]-[hash]",
  legalComments: "none",
  define: { SAMPLE_CSV: JSON.stringify(csv), SAMPLE_SPEC: JSON.stringify(spec) },
  metafile: true,
  logLevel: "warning",
});

const files = Object.keys(metafile.outputs).map((path) => path.split("/").pop());
const script = files.find((name) => name.endsWith(".js"));
const style = files.find((name) => name.endsWith(".css"));
writeFileSync(
  join(out, "index.html"),
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Marginal</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="dashboard/${style}">
<script type="module" src="dashboard/${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>This page plans with JavaScript. The report of a dataset needs none.</p></noscript>
</body>
</html>
`,
);

// The licence of every package of which anything is in the bundle.
const packages = new Set();
for (const path of Object.keys(metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) packages.add(found[1]);
}
const texts = [...packages].sort().map((name) => {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const file of ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"]) {
    try {
      return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
    } catch {
      continue;
    }
  }
  throw new Error(`${name} has no licence to be told`);
});
writeFileSync(join(out, "licences.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
