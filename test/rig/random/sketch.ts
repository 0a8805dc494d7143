/** A project that is being made up: features add files, rules and goals, and use what earlier ones have made. */
import { Rng } from "./rng.js";

export interface Header {
	readonly path: string;
	/** As it stands between the quotes of an #include. */
	readonly include: string;
	/** What the compiler needs to find it; shell words. */
	readonly flags: readonly string[];
	/** A number that it defines. */
	readonly macro: string;
	/** A rule makes it, so whatever includes it must name it as a prerequisite. */
	readonly generated: boolean;
}

/** Something that can be linked, and defines `int SYMBOL(void)`. */
export interface Unit {
	readonly kind: "object" | "archive" | "shared";
	readonly symbol: string;
	readonly file: string;
	readonly pic: boolean;
	readonly cxx: boolean;
	readonly needs: readonly Unit[];
}

/** What the second build of a project begins with. */
export interface Edit {
	readonly path: string;
	/** The new content; without it the file only gets another time. */
	readonly content: string | undefined;
}

export interface Limits {
	/** Commands fail. */
	readonly failures: boolean;
}

export class Sketch {
	readonly files = new Map<string, string>();
	readonly links = new Map<string, string>();
	readonly text: string[] = [];
	readonly goals: string[] = [];
	readonly headers: Header[] = [];
	readonly units: Unit[] = [];
	readonly programs: string[] = [];
	/** Whatever commands that gg knows have made. */
	readonly outputs: string[] = [];
	readonly edits: Edit[] = [];
	readonly limits: Limits;
	/** The build is to be run with -k, and fails. */
	fails = false;
	/** Of the feature that is being added; a folder of its own has this name, too. */
	id = "";
	rng = new Rng("");
	#count = 0;

	constructor(limits: Limits) {
		this.limits = limits;
	}

	begin(id: string, rng: Rng): void {
		this.id = id;
		this.rng = rng;
		this.#count = 0;
	}

	/** A name that no other has. */
	name(stem: string): string {
		return `${this.id}_${stem}${this.#count++}`;
	}

	file(path: string, content: string): string {
		this.files.set(path, content);
		return path;
	}

	/** A file that the second build may begin with a change of. */
	source(path: string, content: string): string {
		this.edits.push({ path, content: undefined });
		if (/\.(c|cc|h)$/.test(path)) {
			this.edits.push({ path, content: `${content}/* changed */\n` });
			this.edits.push({ path, content: content.replaceAll(/\b7(\d+)\b/g, "8$1") });
		}
		return this.file(path, content);
	}

	rule(target: string, prerequisites: readonly string[], recipe: readonly string[]): void {
		this.text.push(`${target}: ${prerequisites.map(escaped).join(" ")}`, ...recipe.map((line) => `\t${line}`), "");
	}

	goal(...targets: readonly string[]): void {
		this.goals.push(...targets);
	}

	/** Something made by a command that gg knows, which later features may read. */
	made(file: string): string {
		this.outputs.push(file);
		return file;
	}

	/** Several at random; what they need comes after them, each once, as a linker wants it. */
	closure(units: readonly Unit[]): Unit[] {
		const found: Unit[] = [];
		const visit = (unit: Unit): void => {
			const at = found.indexOf(unit);
			if (at >= 0) found.splice(at, 1);
			found.push(unit);
			for (const need of unit.needs) visit(need);
		};
		for (const unit of units) visit(unit);
		return found;
	}

	makefile(head: readonly string[]): string {
		return [...head, `all: ${[...new Set(this.goals)].join(" ")}`, "", ...this.text].join("\n");
	}
}

const escaped = (path: string): string => path.replaceAll(" ", "\\ ");

/** One word of shell in a recipe. */
export const word = (path: string): string => (/^[\w./+,=@%$()-]+$/.test(path) ? path : `'${path}'`);
