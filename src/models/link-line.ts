import { type LinkWord, readLinkWords } from "./link-flags.js";

/** What -Bstatic, -b and --push-state change from one input to the next. */
export interface InputState {
	readonly dynamic: boolean;
	/** -b binary: content is not looked at. */
	readonly raw: boolean;
}

export interface LinkStatement {
	/** `symbols`: --just-symbols; `rpath-or-symbols`: -R, which for lld and for a directory means -rpath. */
	readonly kind: "file" | "library" | "symbols" | "rpath-or-symbols";
	readonly name: string;
	readonly state: InputState;
}

/** A linker's command line, everything as it is written there. */
export interface LinkLine {
	/** In the order in which they are opened. */
	readonly statements: readonly LinkStatement[];
	readonly libraryDirs: readonly string[];
	readonly rpath: readonly string[];
	readonly rpathLink: readonly string[];
	readonly sysroot: string;
	readonly emulation: string | undefined;
	/** Read by exactly this name: symbol lists, profiles, plugins. */
	readonly inputs: readonly string[];
	/** -T and the like. */
	readonly scripts: readonly string[];
	/** Version scripts and dynamic lists, which are looked for as scripts are. */
	readonly lists: readonly string[];
	readonly relocatable: boolean;
	/** -static anywhere: gold then never takes a shared library. */
	readonly static: boolean;
	/** Only the directories of the command line. */
	readonly nostdlib: boolean;
	/** Whether ld.bfd goes looking for the libraries that shared libraries need. */
	readonly followsNeeded: boolean;
	/** Options whose files cannot be told. */
	readonly unknown: readonly string[];
	readonly finalState: InputState;
}

/** `args` without argv[0], response files expanded. */
export function readLinkLine(args: readonly string[]): LinkLine {
	const reader = new LineReader();
	for (const word of readLinkWords(args)) reader.take(word);
	return reader.line(args);
}

class LineReader {
	private readonly statements: LinkStatement[] = [];
	/** Libraries that the LTO plugin adds behind all others. */
	private readonly passThrough: string[] = [];
	private readonly lists = {
		libraryDirs: [] as string[],
		rpath: [] as string[],
		rpathLink: [] as string[],
		inputs: [] as string[],
		scripts: [] as string[],
		lists: [] as string[],
		unknown: [] as string[],
	};
	private readonly stack: InputState[] = [];
	private state: InputState = { dynamic: true, raw: false };
	private sysroot = "";
	private emulation: string | undefined;
	private relocatable = false;
	private shared = false;
	private copyNeeded = false;
	private nostdlib = false;
	private shlibUndefined: "ignored" | "reported" | undefined;

	line(args: readonly string[]): LinkLine {
		const { statements, lists, state, sysroot, emulation, relocatable, nostdlib } = this;
		const reported = (this.shlibUndefined ?? (this.shared ? "ignored" : "reported")) === "reported";
		const through = this.passThrough.map(
			(name): LinkStatement =>
				name.startsWith("-l") ? { kind: "library", name: name.slice(2), state } : { kind: "file", name, state },
		);
		return {
			...lists,
			statements: [...statements, ...through],
			sysroot,
			emulation,
			relocatable,
			static: args.some((arg) => /^--?static$/.test(arg)),
			nostdlib,
			followsNeeded: !relocatable && (this.copyNeeded || reported),
			finalState: state,
		};
	}

	take({ effect, value }: LinkWord): void {
		const { lists } = this;
		switch (effect) {
			case "file":
			case "library":
				this.statement(effect, value);
				break;
			case "just-symbols":
				this.statement("symbols", value);
				break;
			case "rpath-or-symbols":
				this.statement("rpath-or-symbols", value);
				break;
			case "library-dir":
				lists.libraryDirs.push(value);
				break;
			case "rpath":
				lists.rpath.push(...value.split(":"));
				break;
			case "rpath-link":
				lists.rpathLink.push(...value.split(":"));
				break;
			case "input":
			case "plugin":
				lists.inputs.push(value);
				break;
			case "script":
				lists.scripts.push(value);
				break;
			case "searched":
				lists.lists.push(value);
				break;
			case "plugin-opt":
				this.pluginOption(value);
				break;
			case "unsure":
			case "unlisted":
				lists.unknown.push(`linker option ${value}`);
				break;
			case "emulation":
				this.emulation = value;
				break;
			case "sysroot":
				this.sysroot = value.replace(/\/+$/, "");
				break;
			default:
				this.toggle(effect, value);
		}
	}

	private toggle(effect: LinkWord["effect"], value: string): void {
		switch (effect) {
			case "bdynamic":
				this.state = { ...this.state, dynamic: true };
				break;
			case "bstatic":
				this.state = { ...this.state, dynamic: false };
				break;
			case "format":
				this.state = { ...this.state, raw: value === "binary" };
				break;
			case "push-state":
				this.stack.push(this.state);
				break;
			case "pop-state":
				this.state = this.stack.pop() ?? this.state;
				break;
			case "copy-needed":
				this.copyNeeded = true;
				break;
			case "shared":
				this.shared = true;
				break;
			case "relocatable":
				this.relocatable = true;
				break;
			case "nostdlib":
				this.nostdlib = true;
				break;
			case "ignore-shlib-undefined":
				this.shlibUndefined = "ignored";
				break;
			case "report-shlib-undefined":
				this.shlibUndefined = "reported";
				break;
			case "unresolved-symbols":
				this.shlibUndefined = /^(ignore-all|ignore-in-shared-libs)$/.test(value) ? "ignored" : "reported";
				break;
			default:
				break;
		}
	}

	private statement(kind: LinkStatement["kind"], name: string): void {
		this.statements.push({ kind, name, state: this.state });
	}

	/** Of the LTO plugins of gcc (lto-plugin.c) and LLVM (gold-plugin.cpp). */
	private pluginOption(value: string): void {
		const [, through, profile] =
			/^(?:-pass-through=(.*)|(?:cs-profile-path|dwo-sample-profile|sample-profile)=(.*))$/.exec(value) ?? [];
		if (through !== undefined) this.passThrough.push(through);
		else if (profile !== undefined) this.lists.inputs.push(profile);
		else if (value.startsWith("/")) this.lists.inputs.push(value);
		else if (/^(thinlto|cache-dir=)/.test(value)) this.lists.unknown.push(`linker option -plugin-opt=${value}`);
	}
}
