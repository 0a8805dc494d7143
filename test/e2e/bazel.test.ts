/** A client of the protocol that no one here wrote, Debian's bazel, on our worker and on Bazel's own. */
import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openChannel } from "../../src/engines/reapi/channel.js";
import { METHODS } from "../../src/reapi/messages.js";
import {
	compileReferenceWorker,
	hasReferenceWorker,
	type Server,
	startGgWorker,
	startReferenceWorker,
} from "../rig/servers.js";

const FILES = {
	WORKSPACE: "",
	"hello.c":
		'#include <stdio.h>\n#include "part.h"\nint main(void) { printf("%s %d\\n", __FILE__, part()); return 0; }\n',
	"part.c": '#include "part.h"\nint part(void) { return 42; }\n',
	"part.h": "int part(void);\n",
	BUILD: `[genrule(
    name = n + "_o",
    srcs = [n + ".c", "part.h"],
    outs = [n + ".o"],
    cmd = "gcc -g -O2 -ffile-prefix-map=$$PWD=. -I. -c -o $@ $(location " + n + ".c)",
) for n in ["hello", "part"]]
genrule(
    name = "hello_bin",
    srcs = ["hello.o", "part.o"],
    outs = ["hello"],
    cmd = "gcc -o $@ $(SRCS)",
    executable = True,
)
genrule(name = "answer_txt", srcs = [":hello_bin"], outs = ["answer"], cmd = "$(location :hello_bin) > $@")
`,
};
const OUTPUTS = ["hello.o", "part.o", "hello", "answer"];

describe("bazel", () => {
	const servers: Server[] = [];
	let folder = "";
	beforeEach(() => {
		folder = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-bazel-")));
		mkdirSync(join(folder, "src"));
		for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, "src", name), text);
	});
	afterEach(() => {
		for (const server of servers.splice(0)) server.stop();
		// Bazel makes folders unwritable.
		spawnSync("chmod", ["-R", "u+w", folder]);
		rmSync(folder, { recursive: true, force: true });
	});

	/** Builds all with an output folder of its own; what bazel says, and the bytes of the outputs. */
	async function build(target: string, name: string): Promise<{ said: string; outputs: Map<string, Buffer> }> {
		const args = [`--output_user_root=${folder}/user`, `--output_base=${folder}/${name}`, "--batch", "build"];
		args.push(`--remote_executor=grpc://${target}`, "--spawn_strategy=remote", "--noshow_progress");
		args.push(`--symlink_prefix=${folder}/${name}-`, "//...");
		const child = spawn("bazel", args, {
			cwd: join(folder, "src"),
			env: { PATH: process.env["PATH"], HOME: folder, USER: "test" },
			stdio: ["ignore", "ignore", "pipe"],
		});
		let said = "";
		child.stderr.on("data", (data: Buffer) => {
			said += data.toString();
		});
		const status = await new Promise((resolve) => child.once("close", resolve));
		assert.equal(status, 0, said);
		const bin = join(folder, `${name}-bin`);
		return { said, outputs: new Map(OUTPUTS.map((file) => [file, readFileSync(join(bin, file))])) };
	}

	it("builds on a gg worker, cold and from its cache, what it builds on its own worker", async function () {
		if (spawnSync("bazel", ["--version"]).status !== 0 || !hasReferenceWorker()) this.skip();
		mkdirSync(join(folder, "ours"));
		const ours = await startGgWorker(join(folder, "ours"), { PATH: process.env["PATH"], HOME: folder });
		servers.push(ours);
		const cold = await build(ours.target, "cold");
		assert.match(cold.said, / 4 remote\./);
		assert.equal(cold.outputs.get("answer")?.toString(), "./hello.c 42\n");
		const warm = await build(ours.target, "warm");
		assert.match(warm.said, / 4 remote cache hit/);
		assert.deepEqual(warm.outputs, cold.outputs);
		mkdirSync(join(folder, "theirs"));
		compileReferenceWorker(join(folder, "theirs"));
		const theirs = await startReferenceWorker(join(folder, "theirs"));
		servers.push(theirs);
		const reference = await build(theirs.target, "reference");
		assert.deepEqual(reference.outputs, cold.outputs);
		const same = await compareResults(join(folder, "ours"), ours.target, theirs.target);
		assert.equal(same, 4);
	});
});

/** Asks both servers what each action came to that ours has run; the number of actions. */
async function compareResults(cache: string, ours: string, theirs: string): Promise<number> {
	const channels = [ours, theirs].map((target) => openChannel({ target, toolVersion: "test", invocation: "test" }));
	try {
		const actions = readdirSync(join(cache, "ac"));
		for (const hash of actions) {
			const blob = join(cache, "cas", hash.slice(0, 2), hash);
			assert.ok(existsSync(blob), "the action itself");
			const request = { instanceName: "", actionDigest: { hash, sizeBytes: statSync(blob).size } };
			const [a, b] = await Promise.all(channels.map((channel) => channel.unary(METHODS.getActionResult, request)));
			for (const part of ["outputFiles", "outputDirectories", "exitCode"] as const)
				assert.deepEqual(a![part], b![part], part);
		}
		return actions.length;
	} finally {
		for (const channel of channels) channel.close();
	}
}
