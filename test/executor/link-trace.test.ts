import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeTrace, viewEnvironment } from "../../src/executor/observe.js";
import { makeCanonical } from "../../src/util/paths.js";

const SOURCES = {
	"main.c": "int answer(void);\nint main(void) { return answer(); }\n",
	"answer.c": "#include <math.h>\nint answer(void) { return (int)floor(42.5); }\n",
	"main.cc": "#include <iostream>\nint main() { std::cout << 1; }\n",
	"exports.map": "{ global: answer; local: *; };\n",
	"libscripted.so": "INPUT(-lanswer AS_NEEDED(libm.so.6))\n",
	"objects.rsp": "main.o answer.o\n",
};

const PREPARE = [
	"gcc -fPIC -c main.c answer.c",
	"g++ -c main.cc -o main++.o",
	"gcc -flto -c main.c -o lto.o",
	"gcc -shared answer.o -o libanswer.so -lm",
	"ar rc libstatic.a answer.o",
];

/** Words of a link, without its output, and the linker that it takes. */
const LINKS: readonly (readonly [what: string, command: string, linker?: string])[] = [
	["objects", "gcc main.o answer.o -lm"],
	["C++", "g++ main++.o"],
	["an archive", "gcc main.o -L. -lstatic -lm"],
	["a shared library and what that needs", "gcc main.o -L. -lanswer"],
	["a linker script in a library's place", "gcc main.o -L. -lscripted"],
	["a version script", "gcc -shared answer.o -Wl,--version-script=exports.map"],
	["a response file", "gcc @objects.rsp -lm"],
	["static", "gcc -static main.o answer.o -lm"],
	["link-time optimisation", "gcc -flto lto.o answer.o -lm"],
	["gold", "gcc -fuse-ld=gold main.o answer.o -lm", "ld.gold"],
	["lld", "gcc -fuse-ld=lld main.o answer.o -lm", "ld.lld"],
	["clang", "clang main.o answer.o -lm", "clang"],
];

/** What gcc gives its linker and removes again. */
const OWN = /^\/tmp\/cc[A-Za-z0-9]{6}\.|\/cc[A-Za-z0-9]{6}\.(?:res|o|ltrans\S*)$/;

describe("the trace of a link", () => {
	let folder: string;
	let library: string;
	const at = (name: string): string => join(folder, name);
	const run = (command: string, env: readonly string[] = []): void => {
		const [program, ...args] = command.split(" ");
		const more = Object.fromEntries(env.map((line) => line.split(/=(.*)/s, 2)));
		const done = spawnSync(program!, args, { cwd: folder, env: { ...process.env, ...more }, encoding: "utf8" });
		assert.equal(done.status, 0, `${command}\n${done.stderr}`);
	};

	before(() => {
		folder = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-")));
		for (const [name, text] of Object.entries(SOURCES)) writeFileSync(at(name), text);
		library = at("gg-view.so");
		const source = fileURLToPath(new URL("../../../wrappers/gg-view.c", import.meta.url));
		run(`cc -O2 -shared -fPIC -o ${library} ${source} -ldl -lpthread`);
		for (const command of PREPARE) run(command);
	});
	after(() => rmSync(folder, { recursive: true, force: true }));

	for (const [what, command, linker] of LINKS) {
		it(`has every file that the linker's own list has: ${what}`, function () {
			if (linker !== undefined && !["/usr/bin", "/bin"].some((bin) => existsSync(`${bin}/${linker}`))) this.skip();
			// Its temporary objects are listed by names that it gave them itself.
			run(`${command} -o out -Wl,--dependency-file=deps`, viewEnvironment(library, at("trace"), undefined, undefined));
			const seen = takeTrace(at("trace"), makeCanonical(folder));
			assert.ok(seen.complete);
			const list = readFileSync(at("deps"), "utf8").replace(/\\\n/g, " ").split("\n")[0]!;
			const name = makeCanonical(folder);
			const listed = list
				.split(/\s+/)
				.slice(1)
				.filter((path) => path !== "" && !OWN.test(path))
				.map(name);
			assert.ok(listed.length > 2, list);
			assert.deepEqual(
				[...new Set(listed)].filter((path) => !seen.reads.has(path)),
				[],
			);
		});
	}
});
