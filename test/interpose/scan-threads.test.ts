import { strict as assert } from "node:assert";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { IncludeScanner, type Includes } from "../../src/interpose/include-scan.js";
import type { SourceIncludes } from "../../src/interpose/scan-tally.js";
import { ScanThreads } from "../../src/interpose/scan-threads.js";
import { IncludesReader, IncludesWriter } from "../../src/interpose/scan-wire.js";
import { Scanner } from "../../src/scan/scanner.js";
import { FileFacts, systemPredicate } from "../../src/store/filefacts.js";
import { hashBytes } from "../../src/thunk/hash.js";
import { testFolder } from "../rig/folder.js";
import { includeRequest } from "../rig/include-request.js";
import { countingSpawner, testNatives } from "../rig/spawner.js";

const HASH = hashBytes(Buffer.from("toolchain"));

describe("threads that scan sources", () => {
	const folder = testFolder();
	const natives = testNatives();
	const at = (name: string): string => join(folder.path, name);
	const write = (name: string, text: string): void => {
		mkdirSync(join(at(name), ".."), { recursive: true });
		writeFileSync(at(name), text);
	};
	const open: ScanThreads[] = [];
	afterEach(async () => {
		await Promise.all(open.splice(0).map((threads) => threads.close()));
	});
	const threadsOf = (most: number, setup: { ggDir?: string } = {}): { threads: ScanThreads; told: string[] } => {
		const told: string[] = [];
		const threads = new ScanThreads({
			...{ ggDir: at(".gg"), root: folder.path, addon: natives.files, most, ...setup },
			indexes: { projectIndex: at(".index/p"), userIndex: at(".index/u") },
			onFact: (path) => told.push(path),
		});
		open.push(threads);
		return { threads, told };
	};
	const scanner = (threads?: ScanThreads) => {
		const spawner = countingSpawner();
		const scanner = new IncludeScanner({
			facts: new FileFacts({
				...{ projectIndex: at(".index/p"), userIndex: at(".index/u") },
				isSystem: systemPredicate(folder.path),
			}),
			...{ spawner, threads, cacheDir: at(".cache"), traceFolder: at(".trace"), ggDir: at(".gg") },
			viewLibrary: natives.view,
			core: (files) => new Scanner(files),
		});
		return (line: string): Promise<Includes> => scanner.scan(includeRequest(line, folder.path));
	};
	/** But for when a file was read. */
	const plain = (includes: Includes): unknown => {
		if (includes.kind !== "scanned") return includes;
		const { looked, ...found } = includes.found;
		return { ...found, looked: [...looked!].map(([path, { readAt: _, ...fact }]) => [path, { ...fact }]) };
	};

	const project = (): void => {
		const detour = `#include "../${basename(folder.path)}/z.h"`;
		write("a.c", `#include "x.h"\n#include <stdio.h>\n#include <y.h>\n${detour}\n#if __has_include("no.h")\n#endif\n`);
		write("z.h", "");
		write("x.h", "#ifndef X\n#define X\n#include <sys/types.h>\n#endif\n");
		write("one/y.h/no-file", "");
		write("real/y.h", "#pragma once\n");
		symlinkSync("real", at("two"));
		write(
			"b.c",
			'#include "x.h"\n#if __has_attribute(noreturn) && __has_builtin(__builtin_expect)\n#include "x2.h"\n#endif\n',
		);
		write("x2.h", "");
	};
	const LINES = [
		"gcc -Ione -Igone -Itwo -MMD -MP -c a.c",
		"gcc -O2 -Ione -MD -c b.c -o b.o",
		"g++ -Itwo -c b.c",
		"gcc -include x2.h -c b.c",
	];

	it("answer as is answered without them, also of files that have changed since", async () => {
		project();
		const { threads } = threadsOf(2);
		const [theirs, ours] = [scanner(threads), scanner()];
		threads.expect();
		for (const round of [1, 2]) {
			for (const line of LINES) {
				const [there, here] = [await theirs(line), await ours(line)];
				assert.deepEqual(plain(there), plain(here), `${line}, ${round}`);
				assert.ok(threads.answered > 0);
				assert.equal(there.kind, round === 2 && line.includes("b.c") ? "refused" : "scanned", line);
			}
			write("x.h", "#define X 2\n#include <limits.h>\n");
			rmSync(at("x2.h"), { force: true });
		}
	});

	it("tell once what they have found out of each state of a file", async () => {
		write("a.c", '#include "x.h"\n');
		write("b.c", '#include "x.h"\n');
		write("x.h", "");
		const { threads, told } = threadsOf(1);
		threads.expect();
		const scan = scanner(threads);
		for (const line of ["gcc -c a.c", "gcc -c b.c", "gcc -c a.c"]) assert.equal((await scan(line)).kind, "scanned");
		const own = (): string[] => told.filter((path) => path.startsWith(folder.path)).sort();
		assert.deepEqual(own(), [at("a.c"), at("b.c"), at("x.h")]);
		write("x.h", "int x;\n");
		await scan("gcc -c a.c");
		assert.deepEqual(own(), [at("a.c"), at("b.c"), at("x.h"), at("x.h")]);
	});

	it("begin once some sources were scanned without, or the compiler has to be asked", async () => {
		project();
		const scans = async (threads: ScanThreads, count: number): Promise<number> => {
			const scan = scanner(threads);
			for (let i = 0; i < count; i++) assert.equal((await scan(LINES[0]!)).kind, "scanned");
			return threads.answered;
		};
		assert.equal(await scans(threadsOf(0).threads, 5), 0);
		assert.equal(await scans(threadsOf(1).threads, 5), 2);
		rmSync(at(".cache"), { recursive: true });
		assert.equal(await scans(threadsOf(1).threads, 5), 5);
	});

	it("leave it to whoever asked where they end", async () => {
		project();
		const { threads } = threadsOf(1, { ggDir: 5 as never });
		threads.expect();
		const scan = scanner(threads);
		for (const line of LINES.slice(0, 3)) assert.equal((await scan(line)).kind, "scanned", line);
		assert.equal(threads.answered, 0);
	});

	it("answer no more of what waits when they are closed, nor begin again", async () => {
		project();
		const { threads } = threadsOf(1);
		const scan = scanner(threads);
		assert.equal((await scan(LINES[0]!)).kind, "scanned");
		let isAnswered = false;
		scan(LINES[1]!).then(() => {
			isAnswered = true;
		});
		for (let i = 0; i < 10 && !isAnswered; i++) await Promise.resolve();
		await threads.close();
		assert.equal(isAnswered, false);
		assert.equal((await scan(LINES[0]!)).kind, "scanned");
		assert.equal(threads.answered, 1);
		await threads.close();
	});
});

describe("what a source includes, from one thread to another", () => {
	const fact = (readAt: number) => ({ hash: HASH, readAt }) as never;
	const found = (x: unknown): SourceIncludes => ({
		files: new Set(["/a.c", "/x.h"]),
		reads: new Set(["/a.c", "/x.h", "/seen"]),
		absent: new Set(["/i/x.h", "/i/x.h.gch"]),
		listed: new Map([["/i", "folder"]]),
		links: new Map([["/l", "text"]]),
		depfile: Buffer.from("a.o: é.c\n"),
		looked: new Map([
			["/a.c", fact(1)],
			["/x.h", x as never],
		]),
		basis: "b!",
	});

	it("arrives as it was, and what was told is not told again", () => {
		const told: [string, unknown][] = [];
		const [writer, reader] = [new IncludesWriter(), new IncludesReader((...fact) => told.push(fact))];
		const [one, two] = [fact(1), fact(2)];
		const first = structuredClone(writer.write(found(one)));
		assert.equal(first.names.length, 5);
		assert.deepEqual(reader.read(first), found(one));
		const again = writer.write({ ...found(two), looked: new Map([["/x.h", two]]) });
		assert.deepEqual([again.names, again.facts.length], [[], 1]);
		assert.deepEqual(reader.read(structuredClone(again)).looked, new Map([["/x.h", two]]));
		assert.deepEqual(
			told.map(([path]) => path),
			["/a.c", "/x.h", "/x.h"],
		);
	});

	it("arrives as it was where numbers begin anew", () => {
		const [writer, reader] = [new IncludesWriter(3), new IncludesReader(() => {})];
		for (const anew of [false, true, true]) {
			const wire = structuredClone(writer.write(found(fact(2))));
			assert.equal(wire.anew, anew);
			assert.deepEqual(reader.read(wire), found(fact(2)));
		}
	});
});
