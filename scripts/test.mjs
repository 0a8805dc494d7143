// Type-checks, lints, builds the command line and runs the tests; ends with a line `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, "node_modules", ".bin", name);
// Node would read extra certificates at each of the thousand starts.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
function step(what, command, args) {
	console.log(`# ${what}`);
	const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
	if (status !== 0) {
		console.log(`${what} failed\n0 passed, 1 failed`);
		process.exit(1);
	}
}
rmSync(join(root, "build"), { recursive: true, force: true });
step("type check", bin("tsc"), ["-p", "."]);
step("lint and format", bin("biome"), ["check", "--error-on-warnings", "."]);
step("bundle", process.execPath, [join(root, "scripts", "bundle.mjs")]);
const report = join(root, "build", "report.json");
const args = process.argv.slice(2);
const { status } = spawnSync(
	bin("mocha"),
	[
		"--reporter",
		join(root, "build/test/rig/reporter.js"),
		"--timeout",
		"300000",
		...(args.length > 0 ? args : ["build/test/**/*.test.js"]),
	],
	{ cwd: root, stdio: "inherit", env: { ...env, GG_TEST_REPORT: report } },
);
let counts = { passed: 0, failed: 1, skipped: 0 };
try {
	counts = JSON.parse(readFileSync(report, "utf8"));
} catch {
	console.log("mocha ended without a report");
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(status === 0 && counts.failed === 0 && counts.passed > 0 ? 0 : 1);
