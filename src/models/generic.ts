import { localPlan, mainOutput } from "./binutils.js";
import { type Description, fillIn, fit, type Usage } from "./generic-description.js";
import { absolute, isDevice, outputTrouble } from "./probe.js";
import type { Command, FileProbe, Verdict } from "./types.js";

/** A tool that the user describes (gg.json). */
export interface DescribedTool {
	readonly description: Description;
	/** Templates of further files that it writes (`fillIn`). */
	readonly outputs: readonly string[];
	/** Further files that it reads, relative to the project. */
	readonly inputs: readonly string[];
	/** `declared`: nothing beyond what is named here; `traced`: a run has to show it. */
	readonly reads: "declared" | "traced";
	/** Variables that matter; undefined: all but those that every build sets anew. */
	readonly env: readonly string[] | undefined;
	/** Where gg.json lies. */
	readonly root: string;
}

/** Variables of make, shells, terminals and sessions, and what looks like a secret: no description's result is theirs. */
const PASSING_ENV =
	/^(?:_|COLORTERM|COLUMNS|DBUS_SESSION_BUS_ADDRESS|DISPLAY|GG_.*|GNUMAKEFLAGS|HISTFILE|HOSTNAME|LD_PRELOAD|LINES|LOGNAME|LS_COLORS|MAIL|MAKE.*|MFLAGS|OLDPWD|PATH|PS1|PWD|SHLVL|SSH_.*|TERM|TMPDIR|USER|WINDOWID|XDG_(?:RUNTIME_DIR|SESSION.*)|.*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|_KEY))$/;

/** The verdict of the first description that fits; undefined when the tool has none. */
export function planDescribed(
	command: Command,
	probe: FileProbe,
	tools: readonly DescribedTool[],
): Verdict | undefined {
	let why: string | undefined;
	for (const tool of tools) {
		if (tool.description.tool !== command.tool) continue;
		const usage = fit(tool.description, command.argv.slice(1));
		if (typeof usage !== "string") return plan(command, probe, tool, usage);
		why ??= `"${tool.description.text}" does not fit: ${usage}`;
	}
	if (why === undefined) return undefined;
	return localPlan("no-model", why, command.argv.slice(1));
}

function plan(command: Command, probe: FileProbe, tool: DescribedTool, usage: Usage): Verdict {
	const { description } = tool;
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...usage.infiles, ...command.argv.slice(1)]);
	const stream = usage.infiles.find((file) => file === "-" || isDevice(file));
	if (stream !== undefined) return local("stdin", stream);
	const missing = usage.infiles.find((file) => !probe.exists(absolute(command, file)));
	if (missing !== undefined) return local("no-input-file", missing);
	const written = [...usage.outfiles];
	for (const template of tool.outputs) {
		const names = fillIn(template, usage);
		if (typeof names === "string") return local("unsupported-output", names);
		written.push(...names);
	}
	const read = new Set(usage.infiles.map((file) => absolute(command, file)));
	for (const file of written) {
		const trouble = file === "-" ? "standard output" : outputTrouble(command, probe, file);
		if (trouble !== undefined) return local("unsupported-output", trouble);
		if (read.has(absolute(command, file))) return local("unsupported-output", `${file} is also an input`);
	}
	const extra = [...tool.inputs.map((file) => `${tool.root}/${file}`), ...description.words].filter(
		(file) => probe.exists(absolute(command, file)) && !probe.isDirectory(absolute(command, file)),
	);
	return {
		kind: "thunk",
		family: "generic",
		stage: "generate",
		sources: [],
		inputs: [...new Set([...usage.infiles, ...extra])].filter((file) => !probe.isDirectory(absolute(command, file))),
		inout: [],
		outputs: [...new Set(written)].map((file, index) => mainOutput(file, index, false)),
		discovery: { kind: tool.reads === "declared" ? "none" : "traced" },
		envNames: (tool.env ?? [...command.env.keys()].filter((name) => !PASSING_ENV.test(name))).toSorted(),
		native: false,
		deferrable: written.length > 0,
		helpers: [],
		unknownFlags: [],
		description: description.text,
	};
}
