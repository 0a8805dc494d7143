import assert from "node:assert/strict";
import type { IncludeRequest } from "../../src/interpose/include-scan.js";
import { systemProbe } from "../../src/interpose/probe.js";
import type { Toolchain } from "../../src/interpose/toolchains.js";
import { gccFacts } from "../../src/models/gcc-facts.js";
import { planCommand } from "../../src/models/index.js";
import { hashBytes } from "../../src/thunk/hash.js";

const HASH = hashBytes(Buffer.from("toolchain"));

/** A toolchain of which no file is known. */
export function bareToolchain(driver: string): Toolchain {
	return {
		...{ driver, driverHash: HASH, tree: HASH, files: new Set<string>(), path: "" },
		...{ traceable: true, stampsTime: false, searchDirs: [] },
	};
}

/** What the include scanner is asked for the first source of a compiler's command: words with blanks between them. */
export function includeRequest(line: string, cwd: string, env: Readonly<Record<string, string>> = {}): IncludeRequest {
	const argv = line.split(" ");
	const command = { tool: argv[0]!, argv, cwd, env: new Map(Object.entries(env)) };
	const facts = gccFacts(command, systemProbe);
	const plan = planCommand(command, systemProbe);
	if (plan.kind === "local") assert.fail(plan.detail);
	const real = `/usr/bin/${argv[0]}`;
	const path = process.env["PATH"]!;
	return { command, facts, plan, source: facts.sources[0]!, real, path, toolchain: bareToolchain(real) };
}
