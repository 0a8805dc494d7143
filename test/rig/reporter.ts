import { writeFileSync } from "node:fs";
import Mocha from "mocha";

/** Mocha's own `spec` output, and the counts in a file for the closing line. */
export default class Reporter extends Mocha.reporters.Spec {
	constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
		super(runner, options);
		runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
			const file = process.env["GG_TEST_REPORT"];
			if (file === undefined) return;
			const { passes, failures, pending } = this.stats;
			writeFileSync(file, JSON.stringify({ passed: passes, failed: failures, skipped: pending }));
		});
	}
}
