import assert from "node:assert/strict";
import { renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeptInputs } from "../../src/interpose/kept-inputs.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { openLocalStore } from "../../src/store/local.js";
import { EMPTY_THUNK } from "../../src/thunk/types.js";
import { testFolder } from "../rig/folder.js";

describe("what deferred commands read", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const old = (name: string, text: string): void => {
		writeFileSync(at(name), text);
		utimesSync(at(name), 1_500_000_000, 1_500_000_000);
	};

	it("is kept until the session ends, and after that where the tree has something else by then", () => {
		const store = openLocalStore(at(".gg"));
		store.objects.meanwhileIn(() => at("inputs"));
		const facts = new FileFacts({ projectIndex: at("i/p"), userIndex: at("i/u"), isSystem: () => false });
		const kept = new KeptInputs({ mode: "infer", store, facts, entries: () => [] });
		const hashOf = (name: string) => facts.get(at(name))!.hash;
		const thunk = (...names: string[]) => ({
			...EMPTY_THUNK,
			functionHash: hashOf(names[0]!),
			values: names.map((name) => ({ name: at(name), hash: hashOf(name) })),
		});
		const looked = (...names: string[]) => new Map(names.map((name) => [at(name), facts.get(at(name))!]));
		for (const name of ["same", "edited", "twice", "moved", "again"]) old(name, `${name} 1`);
		const names = ["same", "edited", "twice", "moved"];
		assert.equal(kept.keep(thunk(...names), looked(...names), new Set()), undefined);
		assert.equal(kept.keepOf(thunk("again")), true);
		const first = Object.fromEntries([...names, "again"].map((name) => [name, hashOf(name)]));
		old("edited", "edited 2");
		old("again", "again 2");
		old("twice", "twice 2");
		assert.equal(kept.keep(thunk("twice"), looked("twice"), new Set()), undefined);
		const second = hashOf("twice");
		renameSync(at("moved"), at("elsewhere"));
		for (const [name, hash] of Object.entries(first))
			assert.equal(store.objects.get(hash)?.toString(), `${name} 1`, "while the session lasts");
		assert.equal(store.objects.has(first["same"]!), false, "others do not build on it");
		kept.close();
		store.objects.endMeanwhile();
		const there = (hash: (typeof first)[string]): string | undefined => store.objects.get(hash)?.toString();
		assert.deepEqual(
			["edited", "twice", "moved", "again", "same"].map((name) => there(first[name]!)),
			["edited 1", "twice 1", "moved 1", "again 1", undefined],
		);
		assert.equal(there(second), undefined);
		store.close();
	});

	it("is none where a file is no longer what was looked at", () => {
		const store = openLocalStore(at(".gg"));
		const facts = new FileFacts({ projectIndex: at("i/p"), userIndex: at("i/u"), isSystem: () => false });
		const kept = new KeptInputs({ mode: "infer", store, facts, entries: () => [] });
		old("x", "1");
		const was = facts.get(at("x"))!;
		old("x", "2");
		assert.equal(kept.keep({ ...EMPTY_THUNK, functionHash: was.hash }, new Map([[at("x"), was]]), new Set()), at("x"));
		store.close();
	});
});
