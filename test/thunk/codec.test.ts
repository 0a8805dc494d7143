import { strict as assert } from "node:assert";
import {
	decodeResult,
	decodeThunk,
	decodeTree,
	encodeResult,
	encodeThunk,
	encodeTree,
	hashOfThunk,
	isInside,
	parseItem,
} from "../../src/thunk/codec.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk, type ThunkResult, type TreeEntry } from "../../src/thunk/types.js";

const H = hashBytes(Buffer.from("hello\n"));
const E = hashBytes(Buffer.alloc(0));
const T = `T${H.slice(1)}` as ObjectHash;
const item = (hash: ObjectHash, name = "") => ({ hash, name });

const SMALL: Thunk = {
	...EMPTY_THUNK,
	functionHash: H,
	args: ["prog"],
	executables: [item(H)],
	outputs: ["out"],
};
const LARGE: Thunk = {
	...EMPTY_THUNK,
	functionHash: H,
	args: ["prog", `@{GGHASH:${H}}`],
	envars: ["A=1", "B=2"],
	values: [item(H, "z"), item(E, "x"), item(H, "a")],
	thunks: [{ hash: T, name: "dep", tag: "" }],
	executables: [item(H), item(E, "exe")],
	outputs: ["out", "two"],
	timeout: 500,
	links: [
		{ name: "a", target: E },
		{ name: "b", target: H },
	],
};
/** With every field of ours set to something else than its default. */
const OURS: Thunk = {
	...LARGE,
	outputDir: "more",
	cwd: "/w/ä",
	trees: [item(E, "/usr/include")],
	outputPaths: [
		{ tag: "out", path: "/w/ä/out", optional: false },
		{ tag: "two", path: "/w/ä/two", optional: true },
	],
	umask: 0,
	capture: true,
	inout: ["/w/ä/lib.a"],
	thunks: [{ hash: T, name: "a=b", tag: "two" }],
};

function decoded(bytes: Uint8Array): Thunk {
	const result = decodeThunk(bytes);
	assert.ok(result.ok, result.ok ? "" : result.error.message);
	return result.value;
}

describe("thunk files", () => {
	it("are byte for byte those of the original gg", () => {
		assert.equal(hashOfThunk(SMALL), "TSokWE4QGnZ9m3zwmfcSLK3_SqNW9s058ye1.GGbAtQU00000084");
		assert.equal(hashOfThunk(LARGE), "TTuPAHelhJhG6FgkbXw1MIgijvPeJqykieishHefJFq800000269");
		assert.equal(hashOfThunk({ ...SMALL, outputDir: "d" }), "T7ep5MCMy7tgjwA254d4BE6C1EFZFHO1yndk4BE9zNK400000087");
	});

	it("hold items in the order of their hashes, equal ones in the order given", () => {
		assert.deepEqual(decoded(encodeThunk(LARGE)).values, [item(E, "x"), item(H, "z"), item(H, "a")]);
		assert.deepEqual(decoded(encodeThunk(LARGE)).executables, [item(E, "exe"), item(H)]);
	});

	it("come back as they were, our fields too", () => {
		const sorted = decoded(encodeThunk(OURS));
		assert.deepEqual(sorted, { ...OURS, values: sorted.values, executables: sorted.executables });
		assert.deepEqual(encodeThunk(sorted), encodeThunk(OURS));
	});

	it("do not depend on whether a field was given or left at its default", () => {
		assert.deepEqual(encodeThunk({ ...SMALL, timeout: 0, cwd: "", umask: 0o22, capture: false }), encodeThunk(SMALL));
	});

	it("keep our fields at 16 and above, so that an old reader gets the rest", () => {
		// An old reader skips unknown fields: what it would read is the encoding without them.
		const bytes = encodeThunk(OURS);
		const old = encodeThunk({ ...OURS, cwd: "", trees: [], outputPaths: [], umask: 0o22, capture: false, inout: [] });
		assert.deepEqual(bytes.subarray(0, old.length), old);
		const keys: number[] = [];
		let at = old.length;
		const varint = (): number => {
			let value = 0;
			for (let shift = 0; ; shift += 7) {
				const byte = bytes[at++]!;
				value |= (byte & 0x7f) << shift;
				if (byte < 0x80) return value;
			}
		};
		while (at < bytes.length) {
			const key = varint();
			keys.push(key >> 3);
			const value = varint();
			if ((key & 7) === 2) at += value;
		}
		assert.deepEqual(keys, [16, 17, 18, 18, 19, 20, 21]);
	});

	it("tell every umask from the default", () => {
		for (const umask of [0, 0o2, 0o22, 0o77, 0o777])
			assert.equal(decoded(encodeThunk({ ...SMALL, umask })).umask, umask);
		assert.notDeepEqual(encodeThunk({ ...SMALL, umask: 0 }), encodeThunk(SMALL));
	});

	it("are read with fields in any order and unknown ones among them", () => {
		const plain = encodeThunk(SMALL);
		const magic = plain.subarray(0, 11);
		// field 99, a string; field 100, a number
		const unknown = Buffer.from([0x9a, 0x06, 0x02, 0x78, 0x79, 0xa0, 0x06, 0x05]);
		const timeoutFirst = Buffer.from([48, 7]);
		assert.deepEqual(decoded(Buffer.concat([magic, timeoutFirst, unknown, plain.subarray(11)])), {
			...SMALL,
			timeout: 7,
		});
	});

	it("that are cut anywhere are either an error or a thunk that says so by its name", () => {
		const bytes = encodeThunk(OURS);
		for (let length = 0; length < bytes.length; length++) {
			const cut = bytes.subarray(0, length);
			const result = decodeThunk(cut);
			if (result.ok) assert.notEqual(hashBytes(cut), hashBytes(bytes));
			else assert.equal(result.error.reason, "malformed-thunk");
		}
	});

	it("that were altered never throw", () => {
		const bytes = encodeThunk(OURS);
		for (let at = 0; at < bytes.length; at++) {
			for (const flip of [0x01, 0x80, 0xff]) {
				const altered = Buffer.from(bytes);
				altered[at]! ^= flip;
				const result = decodeThunk(altered);
				if (!result.ok) assert.equal(result.error.reason, "malformed-thunk");
			}
		}
	});

	it("that are none are told apart, with what is wrong", () => {
		const say = (bytes: Uint8Array): string => {
			const result = decodeThunk(bytes);
			assert.ok(!result.ok);
			assert.equal(result.error.hint, "the file was cut short or altered; infer the build again");
			return result.error.message;
		};
		const magic = Buffer.from("##GGTHUNK##");
		assert.equal(say(Buffer.from("hello")), "not a valid thunk: it does not begin with ##GGTHUNK##");
		assert.equal(say(magic), "not a valid thunk: it has no function");
		assert.equal(say(encodeThunk({ ...SMALL, outputs: [] })), "not a valid thunk: it has no output");
		assert.equal(say(encodeThunk({ ...SMALL, args: [] })), "not a valid thunk: it has no argument");
		assert.equal(
			say(encodeThunk({ ...SMALL, values: [item("../../etc/passwd" as ObjectHash)] })),
			'not a valid thunk: "../../etc/passwd" is not a hash',
		);
		assert.equal(
			say(encodeThunk({ ...SMALL, links: [{ name: "a", target: "x" as ObjectHash }] })),
			'not a valid thunk: "x" is not a hash',
		);
		assert.equal(say(Buffer.concat([magic, Buffer.from([10, 100])])), "not a valid thunk: it ends early");
	});
});

describe("items of thunks", () => {
	it("split at the first equals sign", () => {
		assert.deepEqual(parseItem(H), { hash: H, tag: "", name: "" });
		assert.deepEqual(parseItem(`${H}=a=b`), { hash: H, tag: "", name: "a=b" });
		assert.deepEqual(parseItem(`${T}#out=a#b`), { hash: T, tag: "out", name: "a#b" });
	});
});

describe("trees", () => {
	const entry = (name: string, kind: TreeEntry["kind"] = "file"): TreeEntry => ({ name, hash: H, kind });

	it("come back in the order of their names' bytes", () => {
		const entries = [entry("é"), entry("z"), entry("a/b", "executable"), entry("Z", "link"), entry("a", "directory")];
		const sorted = [entries[3], entries[4], entries[2], entries[1], entries[0]];
		assert.deepEqual(decodeTree(encodeTree(entries)), sorted);
		assert.deepEqual(encodeTree([...entries].reverse()), encodeTree(entries));
		assert.deepEqual(decodeTree(encodeTree([])), []);
	});

	it("hold any name that a file can have", () => {
		const entries = [entry(" "), entry("a\nb"), entry("a b"), entry("..."), entry("-"), entry("a..b")].sort((a, b) =>
			Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
		);
		assert.deepEqual(decodeTree(encodeTree(entries)), entries);
	});

	it("with a name that leaves the folder are refused", () => {
		for (const name of ["", "..", "../x", "a/../x", "a/..", "/etc/passwd", "a/b/../../../c"]) {
			assert.equal(isInside(name), false, name);
			assert.equal(decodeTree(encodeTree([entry(name)])), undefined, name);
		}
		for (const name of ["a", "a/b", "..a", "a..", ".a", "a/.b"]) assert.equal(isInside(name), true, name);
	});

	it("that are cut or altered are refused, or hold fewer entries", () => {
		const bytes = encodeTree([entry("a"), entry("b")]);
		for (let length = 0; length < bytes.length; length++) {
			const result = decodeTree(bytes.subarray(0, length));
			if (result !== undefined) assert.ok(result.length < 2);
		}
		assert.equal(decodeTree(Buffer.from("ggtree2\n")), undefined);
		assert.equal(decodeTree(Buffer.from(bytes.toString().replace("-", "?"))), undefined);
		assert.equal(decodeTree(Buffer.from(bytes.toString().replace("V", "X"))), undefined);
	});
});

describe("results", () => {
	const result: ThunkResult = {
		status: 3,
		signal: 9,
		stdout: Buffer.from([0, 255, 10]),
		stderr: Buffer.from("warning\n"),
		outputs: [
			{ tag: "out", hash: H, mode: 0o755 },
			{ tag: "two", hash: E, mode: 0 },
		],
		wall: 2 ** 40,
	};
	const none: ThunkResult = {
		status: 0,
		signal: 0,
		stdout: Buffer.alloc(0),
		stderr: Buffer.alloc(0),
		outputs: [],
		wall: 0,
	};

	it("come back as they were", () => {
		assert.deepEqual(decodeResult(encodeResult(result)), result);
		assert.deepEqual(decodeResult(encodeResult(none)), none);
	});

	it("that are cut are no result, or lack what was cut, and never throw", () => {
		const bytes = encodeResult(result);
		for (let length = 0; length < bytes.length; length++) {
			assert.notDeepEqual(decodeResult(bytes.subarray(0, length)), result);
		}
		for (let at = 0; at < bytes.length; at++) {
			const altered = Buffer.from(bytes);
			altered[at]! ^= 0xff;
			decodeResult(altered);
		}
		assert.equal(decodeResult(Buffer.from("ggresult2\n")), undefined);
	});
});
