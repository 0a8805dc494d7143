import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A private folder for each test of the suite it is called in; gone after the test. */
export function testFolder(): { readonly path: string } {
	const state = { path: "" };
	beforeEach(() => {
		state.path = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-")));
	});
	afterEach(() => {
		rmSync(state.path, { recursive: true, force: true });
	});
	return state;
}
