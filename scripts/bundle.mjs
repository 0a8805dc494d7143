// Bundles the command line into dist/: gg.js, which is started, and main-DIGEST.js, which it loads (src/cli/start.ts says why).

import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const staging = join(dist, `.new-${process.pid}`);
const options = {
	bundle: true,
	format: "cjs",
	platform: "node",
	target: "node20.19",
	minifySyntax: true,
	minifyWhitespace: true,
	legalComments: "none",
	logLevel: "warning",
};
/** What hardly a start needs lies in a file of its own, CLIENT → file in dist; large libraries, and nothing of gg's own. */
const chunks = new Map();
const CLIENT = /\/(s3|redis|lambda)-client\.js$/;
const apart = {
	name: "apart",
	setup({ onResolve }) {
		onResolve({ filter: CLIENT }, ({ path }) => ({ path: `./${chunks.get(CLIENT.exec(path)[1])}`, external: true }));
	},
};
/** A program that is one file has no place for them. */
const without = {
	name: "without",
	setup({ onResolve, onLoad }) {
		onResolve({ filter: CLIENT }, ({ path }) => ({ path, namespace: "without" }));
		onLoad({ filter: /.*/, namespace: "without" }, () => ({
			contents: `import { UserError } from ${JSON.stringify(join(root, "src/util/result.ts"))};
				throw new UserError({ reason: "storage", message: "a gg in one file has only folders as storage backends",
					hint: "use \`gg execute\` instead" });
				export const S3Client = 0, GetObjectCommand = 0, HeadObjectCommand = 0, PutObjectCommand = 0;
				export const createClient = 0, RESP_TYPES = 0;`,
			resolveDir: root,
		}));
	},
};

const digestOf = (file) => createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16);

try {
	mkdirSync(staging, { recursive: true });
	for (const [name, folder] of Object.entries({ s3: "storage", redis: "storage", lambda: "engines/lambda" })) {
		const outfile = join(staging, `${name}.js`);
		await build({ ...options, entryPoints: [join(root, `src/${folder}/${name}-client.ts`)], outfile });
		const chunk = `chunk-${name}-${digestOf(outfile)}.js`;
		renameSync(outfile, join(staging, chunk));
		chunks.set(name, chunk);
	}
	const scan = join(staging, "scan.js");
	await build({ ...options, entryPoints: [join(root, "src/interpose/scan-thread.ts")], outfile: scan });
	const scanThread = `scan-${digestOf(scan)}.js`;
	renameSync(scan, join(staging, scanThread));
	const main = join(staging, "main.js");
	await build({
		...options,
		entryPoints: [join(root, "src/cli/gg.ts")],
		outfile: main,
		// One function, whose code can be kept from start to start. Nothing but ASCII, as esbuild writes by default.
		banner: {
			js: '(function(require,__filename){const __url=require("node:url").pathToFileURL(__filename).href;var module={exports:{}};',
		},
		footer: { js: "})" },
		define: { "import.meta.url": "__url", SCAN_THREAD: JSON.stringify(`./${scanThread}`) },
		plugins: [apart],
	});
	// Programs that are one file each, and work wherever they are copied: the original calls them static. A shell finds
	// node, with the folders of its own where there is no PATH. A copy without suffix may be read as either kind of module.
	const alone = ["create-thunk", "execute", "hash"];
	await build({
		...options,
		entryPoints: alone.map((name) => ({ in: join(root, `src/cli/static-${name}.ts`), out: `gg-${name}-static` })),
		outdir: staging,
		format: "iife",
		plugins: [without],
		define: { "import.meta.url": '"file:///"' },
		banner: { js: '#!/bin/sh\n":" //; exec node "$0" "$@"\nvar require = process.getBuiltinModule;' },
	});
	for (const name of alone) {
		const file = join(staging, `gg-${name}-static`);
		renameSync(`${file}.js`, file);
		chmodSync(file, 0o755);
	}
	const digest = digestOf(main);
	await build({
		...options,
		entryPoints: [join(root, "src/cli/start.ts")],
		outfile: join(staging, "gg.js"),
		define: { BUNDLE: JSON.stringify(digest) },
	});
	// What `gg lambda deploy` packs: the function and the storage clients, in one file.
	await build({ ...options, entryPoints: [join(root, "src/lambda/handler.ts")], outfile: join(staging, "lambda.js") });
	writeFileSync(join(staging, "package.json"), '{"type":"commonjs"}\n');
	// gg.js last: whoever starts meanwhile finds what it loads.
	const names = { "main.js": `main-${digest}.js`, "package.json": "package.json" };
	for (const name of [...chunks.values(), scanThread, ...alone.map((a) => `gg-${a}-static`), "lambda.js", "gg.js"])
		names[name] = name;
	for (const [from, to] of Object.entries(names)) renameSync(join(staging, from), join(dist, to));
	// Those of earlier builds, but for the one that a gg started just now may still load.
	for (const name of readdirSync(dist)) {
		const path = join(dist, name);
		const loaded = /^(?:main|scan|chunk)-/.test(name) && !Object.values(names).includes(name);
		if (loaded && Date.now() - statSync(path).mtimeMs > 600_000) rmSync(path, { force: true });
	}
} finally {
	rmSync(staging, { recursive: true, force: true });
}
