import { strict as assert } from "node:assert";
import { Progress } from "../../src/report/progress.js";

describe("the line of progress", () => {
	const started = (shown: boolean, more = ""): { progress: Progress; written: string[]; time: { ms: number } } => {
		const written: string[] = [];
		const time = { ms: 0 };
		const write = (text: string): void => void written.push(text);
		const progress = new Progress({ shown, write, more: () => more, now: () => time.ms });
		return { progress, written, time };
	};
	const line = (shown: boolean, more?: string): string => {
		const { progress, written } = started(shown, more);
		progress.total(3);
		progress.add("ran");
		return written.join("");
	};

	it("says how far it is, and what it has cost so far where that is known", () => {
		assert.equal(line(true), "\r\u001b[K1 run, 0 from the store, of 3");
		assert.equal(line(true, "about $0.0012"), "\r\u001b[K1 run, 0 from the store, of 3; about $0.0012");
	});

	it("is nothing where nobody looks", () => {
		assert.equal(line(false, "about $0.0012"), "");
	});

	it("is a line of its own now and then while a build writes its own, and one that changes afterwards", () => {
		const { progress, written, time } = started(true, "about $0.0012");
		progress.writes("among");
		for (; time.ms < 25_000; time.ms += 1000) progress.add(time.ms % 2000 === 0 ? "ran" : "found");
		assert.deepEqual(written.splice(0), [
			"gg: 6 run, 5 from the store; about $0.0012\n",
			"gg: 11 run, 10 from the store; about $0.0012\n",
		]);
		progress.writes("alone");
		progress.add("ran");
		progress.clear();
		progress.clear();
		assert.deepEqual(written, ["\r\u001b[K14 run, 12 from the store; about $0.0012", "\r\u001b[K"]);
	});
});
