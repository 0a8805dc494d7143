/** `gg lambda`: the function is made, asked, brought up to date and removed, by the calls of AWS Lambda's own API. */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { testCli } from "../rig/cli.js";
import { type LambdaService, startLambdaService } from "../rig/lambda-service.js";
import { projects } from "../rig/project.js";

const ROLE = "arn:aws:iam::123456789012:role/gg";

describe("gg lambda", () => {
	const cli = testCli();
	const project = projects();
	let service: LambdaService;
	afterEach(() => service.stop());

	async function begin(without: readonly string[] = []) {
		const p = project({ Makefile: "one.o: one.c\n\tgcc -c one.c\n", "one.c": "int one;\n" });
		const folder = join(p.folder, "service");
		mkdirSync(folder);
		service = await startLambdaService({ folder, env: { PATH: "/bin" }, without });
		const env = {
			AWS_ACCESS_KEY_ID: "key",
			AWS_SECRET_ACCESS_KEY: "s3cret",
			AWS_REGION: "us-east-1",
			GG_STORAGE_URI: `file://${p.folder}/shared`,
			GG_LAMBDA_ROLE: ROLE,
		};
		const run = (args: readonly string[], more: Record<string, string | undefined> = {}) =>
			p.gg(["lambda", ...args, "--endpoint", service.endpoint], { env: { ...env, ...more } });
		return { p, env, run };
	}

	it("makes a function that compiles, brings it up to date, and removes it", async () => {
		const { p, env, run } = await begin();
		const none = await run(["status"]);
		assert.deepEqual(
			[none.status, none.stderr],
			[1, "gg-lambda: there is no function gg-lambda-function\n    gg lambda deploy makes it\n"],
		);
		const made = await run(["deploy", "--memory", "3008", "--concurrency", "7"]);
		assert.equal(made.status, 0, made.stderr);
		assert.match(
			made.stdout,
			/^gg-lambda-function is made\ngg-lambda-function: active, nodejs\d+\.x on x64, 3008 MB of memory, 1024 MB of \/tmp, 300 s, /,
		);
		assert.match(made.stdout, /^it is gg \d+\.\d+\.\d+, and keeps files in file:\/\/\//m);
		assert.ok(service.asked.includes("PUT /NAME/concurrency"));
		const engine = `lambda=us-east-1?endpoint=${service.endpoint}`;
		const built = await p.gg(["build", "--engine", engine, "make"], { env });
		assert.equal(built.status, 0, built.stderr);
		assert.match((await p.gg(["explain", "one.o"])).stdout, /on AWS Lambda/);
		const updated = await run(["update"]);
		assert.equal(updated.status, 0, updated.stderr);
		const again = await run(["deploy"]);
		assert.match(again.stdout, /^gg-lambda-function is updated\n/);
		const gone = await run(["destroy"]);
		assert.deepEqual([gone.status, gone.stdout], [0, "gg-lambda-function is gone\n"]);
		assert.equal((await run(["status"])).status, 1);
	});

	it("takes the newest runtime that the region has", async () => {
		const newest = async (without: readonly string[]): Promise<number> => {
			const { run } = await begin(without);
			const made = await run(["deploy"]);
			assert.equal(made.status, 0, made.stderr);
			return Number(/nodejs(\d+)\.x/.exec(made.stdout)?.[1]);
		};
		const first = await newest([]);
		await service.stop();
		const second = await newest([`nodejs${first}.x`]);
		assert.ok(second >= 20 && second < first, `${first}, ${second}`);
	});

	it("prints with --dry-run what it would call, without secrets, and calls nothing that changes anything", async () => {
		const { run } = await begin();
		const store = "redis://user:p4ssword@127.0.0.1:9/";
		const refused = await run(["deploy", "--dry-run"], { GG_STORAGE_URI: store });
		assert.match(refused.stderr, /^gg-lambda: the Redis server 127\.0\.0\.1:9 cannot be used \(ECONNREFUSED\)\n/);
		const shown = await run(["deploy", "--dry-run"], {
			GG_STORAGE_URI: "s3://KEY:p4ssword@bucket/?region=r&endpoint=http://127.0.0.1:9",
		});
		assert.equal(shown.status, 0, shown.stderr);
		assert.match(shown.stdout, /^CreateFunction \{/);
		assert.match(shown.stdout, /"Handler": "index.handler"/);
		assert.ok(!shown.stdout.includes("p4ssword"), shown.stdout);
		assert.deepEqual([...new Set(service.asked)], ["GET /NAME/configuration"]);
	});

	it("packs the same bytes each time", async () => {
		const { run } = await begin();
		const size = async () => /\((\d+) bytes\)/.exec((await run(["deploy", "--dry-run"])).stdout)?.[1];
		assert.equal(await size(), await size());
		const zips: string[] = [];
		for (let i = 0; i < 2; i++) {
			await run(["deploy"]);
			zips.push(createHash("sha256").update(service.code()).digest("hex"));
		}
		assert.equal(zips[0], zips[1]);
	});

	it("says in one sentence what is wrong", async () => {
		const { run } = await begin();
		const say = async (args: readonly string[], more: Record<string, string | undefined> = {}) =>
			(await run(args, more)).stderr;
		assert.match(await say(["deploy"], { GG_LAMBDA_ROLE: "" }), /^gg-lambda: the function needs a role\n/);
		assert.match(await say(["deploy", "--role", "gg"]), /^gg-lambda: "gg" is no ARN of a role\n/);
		assert.match(
			await say(["deploy", "--role", ROLE.replace("/gg", "/other")]),
			/gg-lambda: the role cannot be assumed by Lambda\n/,
		);
		assert.match(
			await say(["deploy", "--memory", "1"]),
			/^gg-lambda: --memory takes a whole number from 128 to 10240\n/,
		);
		assert.match(await say(["deploy"], { GG_STORAGE_URI: "" }), /^gg-lambda: the function needs a storage backend\n/);
		assert.match(await say(["fly"]), /^gg-lambda: name one of deploy, status, update, destroy\n/);
		assert.match(await say(["update"]), /^gg-lambda: there is no function gg-lambda-function\n/);
		assert.equal(cli.gg(["lambda", "--help"]).status, 0);
	});
});
