import { strict as assert } from "node:assert";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IncludeScanner } from "../../src/interpose/include-scan.js";
import type { ScanAnswer, ScanSetup } from "../../src/scan/types.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { testFolder } from "../rig/folder.js";
import { includeRequest } from "../rig/include-request.js";
import { countingSpawner, testNatives } from "../rig/spawner.js";

describe("what the include scanner is given, and what becomes of its answer", () => {
	const folder = testFolder();
	const natives = testNatives();
	const at = (name: string): string => join(folder.path, name);
	const open = (answer: (setup: ScanSetup) => ScanAnswer) => {
		const spawner = countingSpawner();
		const setups: ScanSetup[] = [];
		const scanner = new IncludeScanner({
			facts: new FileFacts({
				projectIndex: at(".index/p"),
				userIndex: at(".index/u"),
				isSystem: (path) => path.startsWith("/usr/"),
			}),
			spawner,
			cacheDir: at(".cache"),
			traceFolder: at(".trace"),
			ggDir: at(".gg"),
			viewLibrary: natives.view,
			core: () => ({
				scan(setup) {
					setups.push(setup);
					return answer(setup);
				},
				directivesOf: () => "",
				isHeedful: () => false,
			}),
		});
		const scan = (line: string, env: Readonly<Record<string, string>> = {}) => {
			writeFileSync(at("a.c"), "");
			return scanner.scan(includeRequest(line, folder.path, env));
		};
		return { spawner, setups, scan };
	};
	const file = (name: string, system = false) => ({ name, path: join(folder.path, name), system });
	const scanned = (...files: readonly ReturnType<typeof file>[]): ScanAnswer => ({
		...{
			kind: "scanned",
			files,
			absent: new Set(["/looked/for.h"]),
			present: new Set(),
			folders: new Set(),
			namesTime: false,
			restsOn: "text",
		},
	});

	it("is one setup for all commands that differ only in names, output and warnings, for one run of the compiler", async () => {
		const { spawner, setups, scan } = open(() => scanned(file("a.c")));
		await scan("gcc -O2 -Wall -DX -c a.c");
		await scan("gcc -O2 -Wextra -DX -MMD -c a.c -o b.o");
		assert.equal(setups[0], setups[1]);
		mkdirSync(at("inc"));
		await scan("gcc -O2 -DY -Iinc -c a.c");
		assert.notEqual(setups[1], setups[2]);
		assert.equal(spawner.runs, 1);
		await scan("gcc -O0 -DY -Iinc -c a.c");
		assert.equal(spawner.runs, 2);
	});

	it("has the folders that are there, and notes those that are not as absent", async () => {
		const { setups, scan } = open(() => scanned(file("a.c")));
		mkdirSync(at("inc"));
		const line = "gcc -Iinc -Inone -I/usr/include -isystem gone -c a.c";
		const first = await scan(line);
		const dirs = () => setups.at(-1)!.bracketDirs.map((d) => d.path);
		assert.equal(dirs()[0], "inc");
		assert.ok(!dirs().includes("none") && dirs().at(-1) === "/usr/include");
		if (first.kind !== "scanned") assert.fail(first.detail);
		for (const path of [at("none"), at("gone"), "/usr/local/include/x86_64-linux-gnu"])
			assert.ok(first.found.absent.has(path), path);
		assert.ok(first.found.absent.has("/looked/for.h"));
		mkdirSync(at("none"));
		rmSync(at("inc"), { recursive: true });
		await scan(line);
		assert.equal(dirs()[0], "none");
	});

	it("has the values of feature tests once they were asked for, and they are asked once", async () => {
		const { spawner, setups, scan } = open((setup) => {
			const value = setup.feature("__has_attribute", "noreturn");
			if (value !== undefined) return scanned(file("a.c"));
			return { kind: "ask", questions: [{ test: "__has_attribute", argument: "noreturn" }] };
		});
		assert.equal((await scan("gcc -c a.c")).kind, "scanned");
		assert.equal((await scan("gcc -DX -c a.c")).kind, "scanned");
		assert.deepEqual([setups.length, spawner.runs], [3, 2]);
	});

	it("leaves to the compiler what it does not tell", async () => {
		const question = { test: "__has_feature", argument: "x" } as const;
		const { scan } = open(() => ({ kind: "ask", questions: [question] }));
		assert.deepEqual(await scan("gcc -c a.c"), { kind: "refused", reason: "feature", detail: "__has_feature(x)" });
	});

	it("is refused with its place where the scanner refuses", async () => {
		const { scan } = open(() => ({ kind: "refused", reason: "embed", where: "a.c:3", what: "#embed <x>" }));
		assert.deepEqual(await scan("gcc -c a.c"), { kind: "refused", reason: "embed", detail: "a.c:3: #embed <x>" });
	});

	for (const [line, expected] of [
		["gcc -c a.c", undefined],
		["gcc -MD -c a.c", "a.o: a.c sys.h own.h\n"],
		["gcc -MMD -c a.c", "a.o: a.c own.h\n"],
		["gcc -MMD -MP -c a.c -o x.o", "x.o: a.c own.h\nown.h:\n"],
		["gcc -MMD -MT $(t) -MQ $(q) -c a.c -o x.o", "$(t) $$(q): a.c own.h\n"],
		["gcc -M -MF x.d a.c", "a.o: a.c sys.h own.h\n"],
		["gcc -c -Wp,-MMD,x.d a.c -o x.o", "a.o: a.c own.h\n"],
		["clang -MMD -c a.c -o x.o", "x.o: a.c own.h\n"],
		["clang -MD -MP -c a.c", "a.o: a.c sys.h own.h\n\nsys.h:\n\nown.h:\n"],
	] as const)
		it(`makes the depfile of ${line}`, async () => {
			const { scan } = open(() => scanned(file("a.c"), file("sys.h", true), file("own.h")));
			const found = await scan(line);
			if (found.kind !== "scanned") assert.fail(found.detail);
			assert.equal(found.found.depfile?.toString(), expected);
		});
});
