import { strict as assert } from "node:assert";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Lookup } from "../../src/interpose/lookup.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { memoryStore } from "../../src/store/memory.js";
import { encodeThunk } from "../../src/thunk/codec.js";
import { hashBytes } from "../../src/thunk/hash.js";
import { EMPTY_THUNK } from "../../src/thunk/types.js";
import { testFolder } from "../rig/folder.js";

const TOOLCHAIN = hashBytes(Buffer.from("toolchain"));

describe("an earlier description that rests on absences", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const open = () => {
		const store = memoryStore();
		const facts = new FileFacts({ projectIndex: at("p"), userIndex: at("u"), isSystem: () => false });
		const thunk = {
			...EMPTY_THUNK,
			functionHash: TOOLCHAIN,
			args: ["cc"],
			executables: [{ hash: TOOLCHAIN, name: "/bin/cc" }],
			outputs: ["object"],
			outputPaths: [{ tag: "object", path: "/a.o", optional: false }],
			cwd: "/",
			trees: [{ hash: TOOLCHAIN, name: "/" }],
		};
		const entry = { thunk: store.objects.put(encodeThunk(thunk)), absent: { [at("inc")]: ["a.h", "b.h", "c"] } };
		const lookup = new Lookup(facts, store);
		return () => lookup.find([entry], TOOLCHAIN) !== undefined;
	};
	/** Until a change of the folder is sure to show in its times. */
	const age = (): void => {
		const changed = statSync(at("inc")).ctimeMs;
		while (Date.now() <= changed + 20);
	};

	it("holds no longer once one of the names has come, whenever that is", () => {
		for (const ages of [true, false]) {
			mkdirSync(at("inc"));
			const holds = open();
			if (ages) age();
			assert.ok(holds());
			assert.ok(holds());
			writeFileSync(at("inc/other"), "");
			assert.ok(holds());
			mkdirSync(at("inc/c"));
			assert.ok(!holds());
			assert.ok(!holds());
			rmSync(at("inc"), { recursive: true });
			assert.ok(holds());
			mkdirSync(at("inc"));
			if (ages) age();
			writeFileSync(at("inc/b.h"), "");
			assert.ok(!holds());
			rmSync(at("inc"), { recursive: true });
			writeFileSync(at("inc"), "");
			assert.ok(holds());
			rmSync(at("inc"));
		}
	});
});
