import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Answers, type Asked, CompilerAnswers } from "../../src/interpose/compiler-answers.js";
import type { Spawner } from "../../src/util/spawner.js";
import { testFolder } from "../rig/folder.js";
import { countingSpawner, testNatives } from "../rig/spawner.js";

const REAL = { gcc: "/usr/bin/gcc", "g++": "/usr/bin/g++", clang: "/usr/bin/clang", "clang++": "/usr/bin/clang++" };
const always = () => true;

describe("what a compiler says of a set of flags", () => {
	const folder = testFolder();
	const natives = testNatives();
	const asked = (tool: keyof typeof REAL, language: Asked["language"], ...flags: string[]): Asked => ({
		...{ real: REAL[tool], argv0: tool, toolchain: "T", language, flags },
		...{ env: [`PATH=${process.env["PATH"]}`], processor: [] },
	});
	const open = (spawner: Spawner) =>
		new CompilerAnswers({
			spawner,
			cacheDir: join(folder.path, "cache"),
			traceFolder: folder.path,
			viewLibrary: natives.view,
		});
	const get = async (a: Asked, spawner = countingSpawner()): Promise<Answers> => {
		const found = await open(spawner).get(CompilerAnswers.key(a), a, always);
		if ("unclear" in found) assert.fail(found.unclear);
		return found;
	};

	for (const [tool, language, ...flags] of [
		["gcc", "c"],
		["gcc", "c", "-O2", "-std=c11", "-pthread", "-fPIC", "-m32"],
		["gcc", "c", "-std=c90", "-pedantic-errors", "-Werror"],
		["gcc", "assembler"],
		["g++", "c++", "-std=c++20", "-fopenmp"],
		["clang", "c", "-O1"],
		["clang++", "c++", "-std=c++98", "-fno-exceptions"],
	] as const)
		it(`are its macros, and nothing else: ${tool} ${flags.join(" ")} (${language})`, async () => {
			const { answer, depfile, canonical } = await get(asked(tool, language, ...flags));
			const x = language === "assembler" ? "assembler-with-cpp" : language;
			const plain = spawnSync(tool, [...flags, "-nostdinc", "-dM", "-E", "-x", x, "/dev/null"], { encoding: "utf8" });
			const sorted = (text: string) => [...new Set(text.trim().split("\n"))].sort();
			assert.deepEqual(sorted(answer.predefines), sorted(plain.stdout));
			assert.equal(depfile, true, "the depfile of odd names is the compiler's");
			assert.equal(canonical, !tool.startsWith("clang"), "gcc shortens the names of system headers");
			assert.deepEqual(answer.implicit, tool.startsWith("clang") ? [] : ["stdc-predef.h"]);
			assert.ok(answer.own.includes("/usr/include"));
		});

	it("names what the compiler reads by itself, and no source of a question", async () => {
		const { reads } = await get(asked("clang", "c"));
		const strace = spawnSync("sh", ["-c", "echo | clang -v -E -x c -"], { encoding: "utf8" });
		const cuda = /^Found CUDA installation: ([^,]*)/m.exec(strace.stderr)?.[1];
		assert.equal(
			reads.some((path) => path.startsWith(`${cuda}/`)),
			cuda !== undefined,
		);
		assert.deepEqual(
			reads.filter((path) => path.startsWith(folder.path)),
			[],
		);
	});

	it("tells the dialect", async () => {
		const dialect = async (...words: Parameters<typeof asked>) => {
			const d: Readonly<Record<string, boolean>> = (await get(asked(...words))).answer.dialect;
			return Object.keys(d).filter((name) => d[name] === true);
		};
		const common = ["dollarInNames", "lineComments", "vaOpt"];
		assert.deepEqual((await dialect("gcc", "c")).sort(), ["digraphs", ...common, "elifdef", "rawStrings"].sort());
		assert.deepEqual((await dialect("gcc", "c", "-std=c11")).sort(), ["digraphs", ...common, "trigraphs"].sort());
		assert.deepEqual((await dialect("gcc", "c", "-std=c90")).sort(), [...common, "trigraphs"].sort());
		const cpp = ["cplusplus", "digitSeparators", "digraphs", "rawStrings"];
		assert.deepEqual((await dialect("g++", "c++", "-std=c++14")).sort(), [...cpp, ...common, "trigraphs"].sort());
		assert.deepEqual((await dialect("gcc", "assembler")).sort(), ["elifdef", "lineComments", "vaOpt"]);
	});

	it("is asked once, by all who ask at the same time and by later sessions", async () => {
		const spawner = countingSpawner();
		const a = asked("gcc", "c");
		const answers = open(spawner);
		await Promise.all([1, 2, 3].map(() => answers.get(CompilerAnswers.key(a), a, always)));
		assert.equal(spawner.runs, 1);
		const first = await get(a, spawner);
		assert.equal(spawner.runs, 1);
		assert.ok(first.answer.predefines.includes("#define __GNUC__ "));
		await get({ ...a, toolchain: "other" }, spawner);
		assert.equal(spawner.runs, 2);
	});

	it("is asked again where its folders are no longer as they were, or what was kept is no record", async () => {
		const spawner = countingSpawner();
		const a = asked("gcc", "c");
		const key = CompilerAnswers.key(a);
		await get(a, spawner);
		await open(spawner).get(key, a, () => false);
		assert.equal(spawner.runs, 2);
		for (const content of ["", "{", '{"v":0}']) {
			writeFileSync(join(folder.path, "cache/scan", key), content);
			spawner.runs = 0;
			await get(a, spawner);
			assert.equal(spawner.runs, 1, content);
		}
	});

	it("answers feature tests together, and remembers them", async () => {
		const spawner = countingSpawner();
		const a = asked("g++", "c++", "-std=c++17");
		const answers = open(spawner);
		const known = await answers.get(CompilerAnswers.key(a), a, always);
		if ("unclear" in known) assert.fail(known.unclear);
		const questions = [
			{ test: "__has_attribute", argument: "noreturn" },
			{ test: "__has_attribute", argument: "no_such_thing" },
			{ test: "__has_builtin", argument: "__builtin_expect" },
			{ test: "__has_cpp_attribute", argument: "deprecated" },
			{ test: "__has_cpp_attribute", argument: "gnu::packed" },
		] as const;
		assert.equal(known.features.get("__has_attribute(noreturn)"), undefined);
		assert.equal(await answers.features(known, questions), true);
		assert.equal(spawner.runs, 2);
		const values = questions.map((q) => known.features.get(`${q.test}(${q.argument})`));
		assert.deepEqual(values.slice(1, 4), [0, 1, 201309]);
		assert.ok(values[0]! > 0 && values[4]! > 0);
		const later = await get(a, spawner);
		assert.deepEqual(
			questions.map((q) => later.features.get(`${q.test}(${q.argument})`)),
			values,
		);
		assert.equal(spawner.runs, 2);
	});

	it("is unclear for what is no compiler, and leaves no file", async () => {
		const spawner = countingSpawner();
		const a = { ...asked("gcc", "c"), real: "/bin/true" };
		assert.ok("unclear" in (await open(spawner).get(CompilerAnswers.key(a), a, always)));
		const left = readdirSync(join(folder.path, "questions")).filter((name) => name.startsWith("q"));
		assert.deepEqual(left, []);
	});
});
