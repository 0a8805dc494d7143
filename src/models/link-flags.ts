/**
 * Flags of ld.bfd 2.40, gold 1.16 and lld 14 (`--help` and the manual of each), read as getopt_long_only does: one or two
 * dashes, a value behind `=` or in the next word. Abbreviations are not recognised; an unlisted flag is reported, never guessed.
 */
export type LinkFlagEffect =
	/** Names no file that is read. */
	| "nothing"
	/** A file read as it is named. */
	| "input"
	/** A script or list: as it is named, then in the -L directories. */
	| "searched"
	| "script"
	| "just-symbols"
	| "library"
	| "library-dir"
	| "rpath"
	| "rpath-link"
	| "rpath-or-symbols"
	| "sysroot"
	| "emulation"
	| "format"
	| "big-endian"
	| "little-endian"
	| "bdynamic"
	| "bstatic"
	| "push-state"
	| "pop-state"
	| "copy-needed"
	| "shared"
	| "relocatable"
	| "ignore-shlib-undefined"
	| "report-shlib-undefined"
	| "unresolved-symbols"
	| "nostdlib"
	| "plugin"
	| "plugin-opt"
	/** May read files that cannot be told from the command line. */
	| "unsure";

/** `value`: behind `=`, else the next word; a single letter also takes the rest of its word. `optional`: `=` only. */
export type LinkFlagValue = "none" | "value" | "optional";

export interface LinkFlagSpec {
	readonly names: readonly string[];
	readonly value: LinkFlagValue;
	readonly effect: LinkFlagEffect;
}

const row = (effect: LinkFlagEffect, value: LinkFlagValue, names: string): LinkFlagSpec => ({
	names: names.split(" "),
	value,
	effect,
});

/** Sorted by effect, then value, within a row by name; every name occurs once. */
export const LINK_FLAGS: readonly LinkFlagSpec[] = [
	row("bdynamic", "none", "Bdynamic call_shared dy"),
	row("big-endian", "none", "EB"),
	row("bstatic", "none", "Bstatic dn non_shared static"),
	row("copy-needed", "none", "add-needed copy-dt-needed-entries"),
	row("emulation", "value", "m"),
	row("format", "value", "b format"),
	row("ignore-shlib-undefined", "none", "allow-shlib-undefined"),
	row("input", "value", "call-graph-ordering-file in-implib lto-cs-profile-file lto-sample-profile"),
	row("input", "value", "retain-symbols-file section-ordering-file symbol-ordering-file"),
	row("just-symbols", "value", "just-symbols"),
	row("library", "value", "l library"),
	row("library-dir", "value", "L library-path"),
	row("little-endian", "none", "EL"),
	row("nostdlib", "none", "nostdlib"),
	row("nothing", "none", "( ) Bgroup Bno-symbolic Bsymbolic Bsymbolic-functions"),
	row("nothing", "none", "Bsymbolic-non-weak-functions E M N Qy S V X accept-unknown-input-arch"),
	row("nothing", "none", "allow-multiple-definition apply-dynamic-relocs as-needed be8 check-sections cref d"),
	row("nothing", "none", "dc define-common dependent-libraries detect-odr-violations disable-multiple-abs-defs"),
	row("nothing", "none", "disable-new-dtags discard-all discard-locals discard-none dp dynamic-list-cpp-new"),
	row("nothing", "none", "dynamic-list-cpp-typeinfo dynamic-list-data eh-frame-hdr embedded-relocs emit-relocs"),
	row("nothing", "none", "enable-linker-version enable-new-dtags enable-non-contiguous-regions"),
	row("nothing", "none", "enable-non-contiguous-regions-warnings end-group end-lib error-execstack"),
	row("nothing", "none", "error-rwx-segments error-unresolved-symbols execute-only export-dynamic fatal-warnings"),
	row("nothing", "none", "fix-cortex-a53-835769 fix-cortex-a53-843419 fix-cortex-a8"),
	row("nothing", "none", "force-exe-suffix force-group-allocation fortran-common g gc-keep-exported gc-sections"),
	row("nothing", "none", "gdb-index gnu-unique ignore-data-address-equality"),
	row("nothing", "none", "ignore-function-address-equality keep-files-mapped ld-generated-unwind-info"),
	row("nothing", "none", "map-whole-files merge-exidx-entries mmap-output-file n nmagic no-accept-unknown-input-arch"),
	row("nothing", "none", "no-add-needed no-allow-multiple-definition no-apply-dynamic-relocs no-as-needed"),
	row("nothing", "none", "no-check-sections no-color-diagnostics no-copy-dt-needed-entries no-define-common"),
	row("nothing", "none", "no-demangle no-dependent-libraries no-dynamic-linker no-eh-frame-hdr"),
	row("nothing", "none", "no-error-execstack no-error-rwx-segments no-export-dynamic no-fatal-warnings"),
	row("nothing", "none", "no-fortran-common no-gc-sections no-gdb-index no-gnu-unique no-keep-memory"),
	row("nothing", "none", "no-ld-generated-unwind-info no-map-whole-files no-merge-exidx-entries"),
	row("nothing", "none", "no-mmap-output-file no-nmagic no-omagic no-pie no-print-gc-sections no-relax no-rosegment"),
	row("nothing", "none", "no-strip-discarded no-threads no-toc-optimize no-undefined no-undefined-version"),
	row("nothing", "none", "no-warn-common no-warn-execstack no-warn-mismatch no-warn-rwx-segments"),
	row("nothing", "none", "no-warn-search-mismatch no-warnings no-whole-archive nodefaultlibs noinhibit-exec"),
	row("nothing", "none", "omagic p pic-executable pic-veneer pie print-gc-sections print-map print-memory-usage"),
	row("nothing", "none", "print-output-format q qmagic reduce-memory-overheads relax rosegment s start-group"),
	row("nothing", "none", "start-lib stats strip-all strip-debug strip-debug-gdb strip-debug-non-line"),
	row("nothing", "none", "strip-discarded strip-lto-sections t threads trace traditional-format undefined-version"),
	row("nothing", "none", "v version w warn-alternate-em warn-common warn-constructors warn-execstack"),
	row("nothing", "none", "warn-multiple-gp warn-once warn-rwx-segments warn-search-mismatch warn-section-align"),
	row("nothing", "none", "warn-shared-textrel warn-textrel warn-unresolved-symbols whole-archive x"),
	row("nothing", "none", "bss-plt ctf-variables ctors-in-init-array default-imported-symver default-symver"),
	row("nothing", "none", "disable-linker-version fix-v4bx fix-v4bx-interworking fno-lto long-plt no-ctf-variables"),
	row("nothing", "none", "no-ctors-in-init-array no-enum-size-warning no-fix-cortex-a53-835769"),
	row("nothing", "none", "no-fix-cortex-a53-843419 no-fix-cortex-a8 no-long-plt no-print-map-discarded"),
	row("nothing", "none", "no-wchar-size-warning nostart-stop-gc print-icf-sections print-map-discarded secure-plt"),
	row("nothing", "none", "start-stop-gc target1-abs target1-rel toc-optimize use-blx"),
	row("nothing", "optional", "build-id color-diagnostics compress-debug-sections demangle flinker-output flto"),
	row(
		"nothing",
		"optional",
		"flto-partition fuse-ld lto-emit-asm package-metadata power10-stubs sort-common thinlto-jobs time-trace",
	),
	row("nothing", "optional", "split-by-file split-by-reloc unique verbose"),
	row("nothing", "value", "F G I Map O P assert audit auxiliary ctf-share-types defsym depaudit"),
	row("nothing", "value", "dependency-file dynamic-linker e entry exclude-libs export-dynamic-symbol f filter fini h"),
	row("nothing", "value", "hash-bucket-empty-fraction hash-size hash-style icf icf-iterations"),
	row("nothing", "value", "ignore-unresolved-symbol image-base init keep-unique lto-O lto-partitions max-cache-size"),
	row("nothing", "value", "mllvm o oformat optimize orphan-handling out-implib output pack-dyn-relocs"),
	row("nothing", "value", "print-archive-stats print-symbol-counts reproduce require-defined rosegment-gap"),
	row("nothing", "value", "section-start soname sort-section spare-dynamic-tags"),
	row(
		"nothing",
		"value",
		"Tbss Tdata Tldata-segment Trodata-segment Ttext Ttext-segment stub-group-size target2 task-link",
	),
	row("nothing", "value", "thread-count time-trace-file trace-symbol u undefined undefined-glob"),
	row("nothing", "value", "version-exports-section vfp11-denorm-fix warn-backrefs-exclude why-extract wrap y z"),
	row("plugin", "value", "plugin"),
	row("plugin-opt", "value", "plugin-opt"),
	row("pop-state", "none", "pop-state"),
	row("push-state", "none", "push-state"),
	row("relocatable", "none", "Ur i r relocatable"),
	row("report-shlib-undefined", "none", "no-allow-shlib-undefined"),
	row("rpath", "value", "rpath"),
	row("rpath-link", "value", "rpath-link"),
	row("rpath-or-symbols", "value", "R"),
	row("script", "value", "T dT default-script script"),
	row("searched", "value", "dynamic-list export-dynamic-symbol-list version-script"),
	row("shared", "none", "Bshareable shared"),
	row("sysroot", "value", "sysroot"),
	row("unresolved-symbols", "value", "unresolved-symbols"),
	row("unsure", "value", "A Y a architecture c error-handling-script mri-script thinlto-cache-dir"),
];

const BY_NAME: ReadonlyMap<string, LinkFlagSpec> = new Map(
	LINK_FLAGS.flatMap((spec) => spec.names.map((name) => [name, spec] as const)),
);

export interface LinkWord {
	readonly effect: LinkFlagEffect | "file" | "unlisted";
	/** The flag's value, the file's name, or the unlisted word itself. */
	readonly value: string;
}

/** Cuts a linker's arguments (without argv[0], response files expanded) into what they do. */
export function readLinkWords(args: readonly string[]): LinkWord[] {
	const words: LinkWord[] = [];
	for (let at = 0; at < args.length; at++) {
		const arg = args[at]!;
		if (!arg.startsWith("-") || arg === "-") {
			words.push({ effect: "file", value: arg });
			continue;
		}
		const found = findFlag(arg);
		if (found === undefined) words.push({ effect: "unlisted", value: arg });
		else if (found.spec.value === "value" && found.value === undefined) {
			at++;
			words.push({ effect: found.spec.effect, value: args[at] ?? "" });
		} else words.push({ effect: found.spec.effect, value: found.value ?? "" });
	}
	return words;
}

function findFlag(arg: string): { readonly spec: LinkFlagSpec; readonly value: string | undefined } | undefined {
	const name = arg.replace(/^--?/, "");
	const exact = BY_NAME.get(name);
	if (exact !== undefined) return { spec: exact, value: undefined };
	const equals = name.indexOf("=");
	const long = equals > 1 ? BY_NAME.get(name.slice(0, equals)) : undefined;
	if (long !== undefined) return long.value === "none" ? undefined : { spec: long, value: name.slice(equals + 1) };
	const letter = arg.startsWith("--") ? undefined : BY_NAME.get(name.slice(0, 1));
	return letter?.value === "value" ? { spec: letter, value: name.slice(1) } : undefined;
}
