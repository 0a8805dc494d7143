import { BINUTILS_ENV, expandedArgs, firstMissing, isThinArchive, localPlan, mainOutput } from "./binutils.js";
import { getopt } from "./getopt.js";
import { absolute, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Model, Verdict } from "./types.js";

/** GNU objcopy 2.20 to 2.44 and llvm-objcopy 14; source: their manuals. */
const OPTIONS = {
	short: "I:O:B:F:b:i::j:R:N:K:L:G:W:SgxXwpDUMvVhH",
	long: {
		"add-gnu-debuglink": "required",
		"add-section": "required",
		"add-symbol": "required",
		"adjust-section-vma": "required",
		"adjust-start": "required",
		"adjust-vma": "required",
		"adjust-warnings": "none",
		"allow-broken-links": "none",
		"alt-machine-code": "required",
		"binary-architecture": "required",
		byte: "required",
		"change-addresses": "required",
		"change-leading-char": "none",
		"change-section-address": "required",
		"change-section-lma": "required",
		"change-section-vma": "required",
		"change-start": "required",
		"change-warnings": "none",
		"compress-debug-sections": "optional",
		debugging: "none",
		"decompress-debug-sections": "none",
		"disable-deterministic-archives": "none",
		"discard-all": "none",
		"discard-locals": "none",
		"dump-section": "required",
		"elf-stt-common": "required",
		"enable-deterministic-archives": "none",
		"extract-dwo": "none",
		"extract-symbol": "none",
		"file-alignment": "required",
		"gap-fill": "required",
		"globalize-symbol": "required",
		"globalize-symbols": "required",
		heap: "required",
		help: "none",
		"image-base": "required",
		impure: "none",
		info: "none",
		"input-format": "required",
		"input-target": "required",
		interleave: "optional",
		"interleave-width": "required",
		"keep-file-symbols": "none",
		"keep-global-symbol": "required",
		"keep-global-symbols": "required",
		"keep-section": "required",
		"keep-section-symbols": "none",
		"keep-symbol": "required",
		"keep-symbols": "required",
		"keep-undefined": "none",
		"localize-hidden": "none",
		"localize-symbol": "required",
		"localize-symbols": "required",
		"long-section-names": "required",
		"merge-notes": "none",
		"new-symbol-visibility": "required",
		"no-adjust-warnings": "none",
		"no-change-warnings": "none",
		"no-merge-notes": "none",
		"only-keep-debug": "none",
		"only-section": "required",
		"output-format": "required",
		"output-target": "required",
		"pad-to": "required",
		"prefix-alloc-sections": "required",
		"prefix-sections": "required",
		"prefix-symbols": "required",
		"preserve-dates": "none",
		pure: "none",
		"readonly-text": "none",
		"redefine-sym": "required",
		"redefine-syms": "required",
		regex: "none",
		"remove-leading-char": "none",
		"remove-relocations": "required",
		"remove-section": "required",
		"rename-section": "required",
		"reverse-bytes": "required",
		"section-alignment": "required",
		"set-section-alignment": "required",
		"set-section-flags": "required",
		"set-start": "required",
		"split-dwo": "required",
		"srec-forceS3": "none",
		"srec-len": "required",
		stack: "required",
		"strip-all": "none",
		"strip-all-gnu": "none",
		"strip-debug": "none",
		"strip-dwo": "none",
		"strip-non-alloc": "none",
		"strip-sections": "none",
		"strip-symbol": "required",
		"strip-symbols": "required",
		"strip-unneeded": "none",
		"strip-unneeded-symbol": "required",
		"strip-unneeded-symbols": "required",
		subsystem: "required",
		target: "required",
		"update-section": "required",
		"verilog-data-width": "required",
		verbose: "none",
		version: "none",
		weaken: "none",
		"weaken-symbol": "required",
		"weaken-symbols": "required",
		wildcard: "none",
		"writable-text": "none",
	},
} as const;

const QUERIES = ["h", "H", "V", "help", "info", "version"];
/** Options whose value is a file that is read. */
const READS =
	/^(?:add-gnu-debuglink|redefine-syms|(?:globalize|keep|keep-global|localize|strip|strip-unneeded|weaken)-symbols)$/;
/** Options whose value is NAME=FILE, and FILE is read. */
const READS_PART = /^(?:add|update)-section$/;
/** Options whose value is, or holds, a further file that is written. */
const WRITES = /^(?:dump-section|split-dwo)$/;
const KEEPS_TIMES = /^(?:p|preserve-dates|U|disable-deterministic-archives)$/;
const TARGETS = /^(?:[OF]|target|output-target|output-format)$/;
const SOURCES = /^(?:[IF]|target|input-target|input-format)$/;
const OBJECT = /\.(?:a|o|ko|obj)$/;

export const objcopyModel: Model = {
	matches: (tool) => parseToolName(tool, ["objcopy"]) !== undefined,
	plan: planObjcopy,
};

function planObjcopy(command: Command, probe: FileProbe): Verdict {
	const { args, files: responseFiles } = expandedArgs(command, probe);
	const { options, operands: files, unknown, incomplete } = getopt(args, OPTIONS);
	const reads = options.flatMap(({ name, value }) => {
		if (READS.test(name)) return [value];
		return READS_PART.test(name) ? [value.slice(value.indexOf("=") + 1)] : [];
	});
	const find = (names: RegExp): string | undefined => options.find(({ name }) => names.test(name))?.name;
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...files, ...reads, ...responseFiles]);

	const query = options.find(({ name }) => QUERIES.includes(name))?.name ?? incomplete;
	if (query !== undefined) return local("query", query);
	const [from, output = from, ...more] = files;
	if (from === undefined || output === undefined || more.length > 0)
		return local("query", "no input file, or too many");
	// What follows one may be its value.
	if (unknown.length > 0) return local("unsupported-flag", unknown[0]!);
	if (files.includes("-")) return local("stdin", "-");
	const times = find(KEEPS_TIMES);
	if (times !== undefined) return local("unsupported-flag", `${times} keeps modification times`);
	const further = find(WRITES);
	if (further !== undefined) return local("unsupported-output", `${further} writes a further file`);
	const stamped = options.find(({ name, value }) => TARGETS.test(name) && /^(?:pe|efi)/.test(value))?.value;
	if (stamped !== undefined) return local("unsupported-flag", `${stamped} holds the time`);
	const missing = firstMissing(command, probe, [from, ...reads]);
	if (missing !== undefined) return local("no-input-file", missing);
	if (isThinArchive(command, probe, from)) return local("unsupported-flag", "a thin archive");
	const trouble = outputTrouble(command, probe, output);
	if (trouble !== undefined) return local("unsupported-output", trouble);

	const inPlace = absolute(command, output) === absolute(command, from);
	const into = options.findLast(({ name }) => TARGETS.test(name))?.value ?? "elf";
	const outOf = options.findLast(({ name }) => SOURCES.test(name))?.value ?? "elf";
	const data = outOf === "binary" || !/^elf/.test(into) || [from, output].some((file) => OBJECT.test(file));
	const others = [...reads, ...responseFiles];
	return {
		kind: "thunk",
		family: "objcopy",
		stage: "edit",
		sources: [],
		inputs: inPlace ? others : [from, ...others],
		inout: inPlace ? [output] : [],
		outputs: [mainOutput(output, 0, !data)],
		discovery: { kind: "none" },
		envNames: BINUTILS_ENV,
		native: false,
		// Whether a raw image can be executed depends on what the linker made of its input, which may not be there yet.
		deferrable: inPlace || (/^elf/.test(into) && /^(?:elf|binary)/.test(outOf)),
		helpers: [],
		unknownFlags: [],
	};
}
