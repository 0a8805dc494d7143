import { strict as assert } from "node:assert";
import { Progress } from "../../src/report/progress.js";

describe("the line of progress", () => {
	const line = (shown: boolean, more?: () => string): string => {
		const written: string[] = [];
		const progress = new Progress(shown, (text) => written.push(text), more);
		progress.total(3);
		progress.add("ran");
		return written.join("");
	};

	it("says how far it is, and what it has cost so far where that is known", () => {
		assert.equal(line(true), "\r\u001b[K1 run, 0 from the store, of 3");
		assert.equal(
			line(true, () => "about $0.0012"),
			"\r\u001b[K1 run, 0 from the store, of 3; about $0.0012",
		);
	});

	it("is nothing where nobody looks", () => {
		assert.equal(
			line(false, () => "about $0.0012"),
			"",
		);
	});
});
