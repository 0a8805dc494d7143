import { accessSync, constants, statSync } from "node:fs";
import { errorCode } from "../util/files.js";
import { VERSION } from "../util/version.js";
import { processIo, runNamed } from "./main.js";
import type { Io, Run } from "./types.js";

/** Every subcommand, loaded only when it is asked for: starting must not cost more than the build it starts. */
const COMMANDS: Readonly<
	Record<string, { readonly about: string; readonly load: () => Promise<{ readonly run: Run }> }>
> = {
	build: {
		about: "run a build command; compile through gg, from the store where possible",
		load: () => import("./build.js"),
	},
	infer: {
		about: "run a build command and describe it: thunks in the store, placeholders in the tree",
		load: () => import("./build.js").then((m) => ({ run: m.runInfer })),
	},
	force: { about: "run what placeholders stand for and put the real files in place", load: () => import("./force.js") },
	explain: {
		about: "why a file was compiled, taken from the store, deferred or run here",
		load: () => import("./explain.js"),
	},
	init: { about: "make a .gg folder here", load: () => import("./init.js") },
	describe: { about: "show a thunk as JSON", load: () => import("./describe.js") },
	thunksummary: { about: "the tree of thunks below one", load: () => import("./thunksummary.js") },
	hash: { about: "print a file's hash", load: () => import("./hash.js") },
	collect: { about: "put files into the store and print their hashes", load: () => import("./collect.js") },
	"create-thunk": { about: "make a thunk from hashes", load: () => import("./create-thunk.js") },
	execute: { about: "run one thunk whose inputs are there", load: () => import("./execute.js") },
	get: { about: "fetch objects from the storage backend", load: () => import("./get.js") },
	put: { about: "send objects to the storage backend", load: () => import("./put.js") },
	clean: { about: "remove old objects from the store, by age or size", load: () => import("./clean.js") },
	worker: {
		about: "run thunks of other machines: a server of the Remote Execution API",
		load: () => import("./worker.js"),
	},
	workers: { about: "what the workers of a pool are doing", load: () => import("./workers.js") },
	lambda: { about: "the function on AWS Lambda that runs thunks", load: () => import("./lambda.js") },
	"force-and-run": {
		about: "force a program that is a placeholder, then run it",
		load: () => import("./force-and-run.js"),
	},
};
const ALIASES: Readonly<Record<string, string>> = {
	"hash-static": "hash",
	"create-thunk-static": "create-thunk",
	"execute-static": "execute",
	"execute-server": "worker",
};

function help(): string {
	const width = Math.max(...Object.keys(COMMANDS).map((n) => n.length));
	const lines = Object.entries(COMMANDS).map(([name, c]) => `  ${name.padEnd(width)}  ${c.about}`);
	return `gg ${VERSION}: makes a build describe itself, and runs the description\n\nusage: gg COMMAND [options] …\n       gg PROGRAM …   is \`gg build PROGRAM …\`, where no command has the name\n\n${lines.join("\n")}\n\n\`gg COMMAND --help\` lists its options.\n`;
}

function isProgram(name: string, io: Io): boolean {
	if (name.startsWith("-")) return false;
	const onPath = (io.env["PATH"] ?? "").split(":").map((folder) => `${folder === "" ? "." : folder}/`);
	return (name.includes("/") ? [""] : onPath).some((folder) => {
		try {
			const path = folder + name;
			accessSync(path, constants.X_OK);
			return statSync(path).isFile();
		} catch {
			return false;
		}
	});
}

/** Whoever read what gg says is gone (`gg explain … | head`): that ends the saying, not the work. */
function outliveReaders(): void {
	for (const stream of [process.stdout, process.stderr]) {
		stream.on("error", (error) => {
			if (errorCode(error) !== "EPIPE") throw error;
		});
	}
}

async function main(): Promise<number> {
	outliveReaders();
	const io = processIo();
	const called = process.env["GG_CALLED_AS"] ?? "gg";
	delete process.env["GG_CALLED_AS"];
	let args: readonly string[] = process.argv.slice(2);
	let name = called.startsWith("gg-") ? called.slice(3) : "";
	if (name === "") {
		name = args[0] ?? "";
		args = args.slice(1);
		if (name === "" || name === "help" || name === "--help" || name === "-h") {
			io.out(help());
			return name === "" ? 1 : 0;
		}
		if (name === "--version" || name === "version") {
			io.out(`gg ${VERSION}\n`);
			return 0;
		}
	}
	name = ALIASES[name] ?? name;
	const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
	// `gg cmake …`, `gg ./configure …`: no name of ours, but a program's.
	if (command === undefined && called === "gg" && isProgram(name, io)) {
		const build = COMMANDS["build"]!;
		return runNamed("build", async (rest, given) => (await build.load()).run(rest, given), [name, ...args], io);
	}
	if (command === undefined) {
		io.err(`gg: there is no command ${JSON.stringify(name)}\n    \`gg help\` lists them\n`);
		return 1;
	}
	return runNamed(name, async (rest, given) => (await command.load()).run(rest, given), args, io);
}

// Where nothing is left that could end the work, the work was not done.
process.exitCode = 70;
void main().then((status) => {
	process.exitCode = status;
});
