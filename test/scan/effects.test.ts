import assert from "node:assert/strict";
import { identityOf, Scanner } from "../../src/scan/scanner.js";
import type { ScanAnswer, ScanFile, ScanFiles, ScanSetup } from "../../src/scan/types.js";
import { family, random } from "./fuzz.js";
import { PLAIN } from "./plain.js";

/** Files that stay the same objects for as long as they are not changed. */
class ChangingFiles implements ScanFiles {
	readonly #files = new Map<string, ScanFile>();
	reads = 0;

	set(path: string, text: string | undefined): void {
		if (text === undefined) {
			this.#files.delete(path);
			return;
		}
		const content = Buffer.from(text, "latin1");
		const counted = (): void => void this.reads++;
		this.#files.set(path, {
			get content() {
				counted();
				return content;
			},
			identity: identityOf(content),
			seconds: 1,
		});
	}

	open(path: string): ScanFile | "absent" {
		return this.#files.get(path.replace(/\/(?:\.?\/)+/g, "/")) ?? "absent";
	}

	realPath(path: string): string {
		return path;
	}
}

const SETUPS: readonly ScanSetup[] = [
	{
		...PLAIN,
		predefines: "#define A 1\n",
		bracketDirs: [
			{ path: "i", system: false },
			{ path: ".", system: true },
		],
	},
	{
		...PLAIN,
		predefines: "#define A 1\n#define B 0\n",
		bracketDirs: [
			{ path: "i", system: false },
			{ path: ".", system: true },
		],
	},
	{
		...PLAIN,
		quoteDirs: [{ path: "s", system: false }],
		bracketDirs: [
			{ path: ".", system: false },
			{ path: "i", system: true },
		],
	},
];

function plain(answer: ScanAnswer): unknown {
	if (answer.kind !== "scanned") return answer;
	const { files, absent, folders, links, present, namesTime } = answer;
	return {
		files,
		links: [...(links ?? [])].sort(),
		absent: [...absent].sort(),
		folders: [...folders].sort(),
		present: [...present].sort(),
		namesTime,
	};
}

describe("effects of headers", () => {
	it("are those that a walk has, in every state and after every change", () => {
		let scanned = 0;
		for (let seed = 0; seed < 150; seed++) {
			const r = random(seed);
			const { sources, files: texts } = family(r, 6);
			const files = new ChangingFiles();
			for (const [name, text] of Object.entries(texts)) files.set(`/w/${name}`, text);
			const kept = new Scanner(files);
			const headers = Object.keys(texts).filter((name) => name.endsWith(".h"));
			for (let i = 0; i < 30; i++) {
				const setup = SETUPS[r(SETUPS.length)]!;
				const source = { name: sources[r(sources.length)]! };
				const ours = kept.scan(setup, source, "/w");
				const anew = new Scanner(files).scan(setup, source, "/w");
				assert.deepEqual(plain(ours), plain(anew), `seed ${seed}, scan ${i}`);
				if (ours.kind === "scanned") scanned++;
				if (r(4) !== 0) continue;
				const changed = headers[r(headers.length)]!;
				files.set(`/w/${changed}`, r(3) === 0 ? undefined : texts[headers[r(headers.length)]!]!);
			}
		}
		assert.ok(scanned > 1000, `${scanned}`);
	});
});
