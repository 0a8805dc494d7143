// Bundles the command line into dist/: one file to load at start, engines and heavy parts as chunks loaded when asked for.

import { chmodSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const staging = join(root, "dist", `.new-${process.pid}`);
try {
	await build({
		entryPoints: [join(root, "src/cli/gg.ts")],
		outdir: staging,
		bundle: true,
		splitting: true,
		format: "esm",
		platform: "node",
		target: "node20.19",
		minifySyntax: true,
		minifyWhitespace: true,
		legalComments: "none",
		logLevel: "warning",
		chunkNames: "chunk-[hash]",
		banner: {
			js: 'import { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);',
		},
	});
	// Programs that are one file each, and work wherever they are copied: the original calls them static. A shell finds
	// node, with the folders of its own where there is no PATH. A copy without suffix may be read as either kind of module.
	const alone = ["create-thunk", "execute", "hash"];
	await build({
		entryPoints: alone.map((name) => ({ in: join(root, `src/cli/static-${name}.ts`), out: `gg-${name}-static` })),
		outdir: staging,
		bundle: true,
		format: "iife",
		platform: "node",
		target: "node20.19",
		minifySyntax: true,
		minifyWhitespace: true,
		legalComments: "none",
		logLevel: "warning",
		define: { "import.meta.url": '"file:///"' },
		banner: { js: '#!/bin/sh\n":" //; exec node "$0" "$@"\nvar require = process.getBuiltinModule;' },
	});
	for (const name of alone) {
		const file = join(staging, `gg-${name}-static`);
		renameSync(`${file}.js`, file);
		chmodSync(file, 0o755);
	}
	const files = readdirSync(staging);
	// The entry last: whoever starts meanwhile finds its chunks.
	for (const file of files.filter((f) => f !== "gg.js")) renameSync(join(staging, file), join(root, "dist", file));
	renameSync(join(staging, "gg.js"), join(root, "dist", "gg.js"));
	// Chunks of earlier builds, but for those that a gg started just now may still load.
	for (const file of readdirSync(join(root, "dist"))) {
		const path = join(root, "dist", file);
		if (file.startsWith("chunk-") && !files.includes(file) && Date.now() - statSync(path).mtimeMs > 600_000)
			rmSync(path);
	}
} finally {
	rmSync(staging, { recursive: true, force: true });
}
