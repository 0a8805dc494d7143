/** Real storage services as processes of their own: Debian's Redis, and OpenStack Swift's S3 service. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./servers.js";

export const hasRedis = (): boolean => spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0;

export interface StorageServer {
	readonly port: number;
	/** Resolves when it is gone. */
	stop(): Promise<void>;
}

/** A server that is one process. */
export interface OneServer extends StorageServer {
	readonly pid: number;
	/** From here on it holds its connections and answers nothing. */
	pause(): void;
}

/** A Redis server that keeps everything in memory. `settings` are lines of redis.conf. */
export async function startRedis(folder: string, settings: readonly string[] = []): Promise<OneServer> {
	const port = await freePort();
	const conf = join(folder, `redis-${port}.conf`);
	const tls = settings.some((line) => line.startsWith("tls-cert-file"));
	const ports = tls ? [`tls-port ${port}`, "port 0"] : [`port ${port}`];
	const lines = ["bind 127.0.0.1", ...ports, 'save ""', `dir ${folder}`, ...settings];
	writeFileSync(conf, lines.map((line) => `${line}\n`).join(""));
	return started("redis-server", [conf], "Ready to accept connections", port);
}

async function started(program: string, args: readonly string[], sign: string, port: number): Promise<OneServer> {
	const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
	const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
	await new Promise<void>((resolve, reject) => {
		let said = "";
		child.stdout.on("data", (chunk: Buffer) => {
			said += chunk.toString();
			if (said.includes(sign)) resolve();
		});
		child.once("error", reject);
		child.once("exit", (status) => reject(new Error(`${program} ended with ${status}: ${said}`)));
	});
	return {
		port,
		pid: child.pid!,
		pause: () => child.kill("SIGSTOP"),
		stop: () => {
			child.kill("SIGKILL");
			return ended;
		},
	};
}

const KINDS = ["account", "container", "object"] as const;

export const hasS3 = (): boolean =>
	[...KINDS, "proxy"].every((kind) => existsSync(`/usr/bin/swift-${kind}-server`)) && existsSync("/usr/bin/python3");

export const S3_KEY = "test:tester";
export const S3_SECRET = "testing";

/** Swift's servers for one device, and before them its S3 service; path-style addresses, region us-east-1. */
export async function startS3(folder: string): Promise<StorageServer> {
	const etc = join(folder, "etc");
	for (const name of ["etc", "srv", "srv/d"]) mkdirSync(join(folder, name));
	const hashes = "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n";
	writeFileSync(join(etc, "swift.conf"), `${hashes}[storage-policy:0]\nname = p0\ndefault = yes\n`);
	const user = userInfo().username;
	const common = (port: number) =>
		`[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = ${port}\nworkers = 0\nuser = ${user}\nswift_dir = ${etc}\nlog_address = ${folder}/none\n`;
	const ports: number[] = [];
	for (const kind of KINDS) {
		const port = await freePort();
		ports.push(port);
		writeFileSync(
			join(etc, `${kind}.conf`),
			`${common(port)}devices = ${folder}/srv\nmount_check = false\ndisable_fallocate = true\n[pipeline:main]\npipeline = ${kind}-server\n[app:${kind}-server]\nuse = egg:swift#${kind}\n`,
		);
		const ring = (...args: string[]) =>
			execFileSync("swift-ring-builder", [`${kind}.builder`, ...args], { cwd: etc, stdio: "ignore" });
		ring("create", "4", "1", "0");
		ring("add", `r1z1-127.0.0.1:${port}/d`, "1");
		ring("rebalance");
	}
	const port = await freePort();
	const filters = ["catch_errors", "gatekeeper", "listing_formats", "copy", "slo", "dlo"]
		.map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`)
		.join("");
	writeFileSync(
		join(etc, "proxy.conf"),
		`${common(port)}[pipeline:main]\npipeline = catch_errors gatekeeper cache listing_formats s3api tempauth copy slo dlo proxy-server\n[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n${filters}[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:1\n[filter:s3api]\nuse = egg:swift#s3api\ns3_acl = false\nlocation = us-east-1\n[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = ${S3_SECRET} .admin\n`,
	);
	// The servers look for swift.conf in /etc only.
	writeFileSync(
		join(folder, "serve.py"),
		`import runpy, sys\nimport swift.common.utils as utils\nutils.SWIFT_CONF_FILE = ${JSON.stringify(join(etc, "swift.conf"))}\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name="__main__")\n`,
	);
	const children = [...KINDS, "proxy"].map((kind) =>
		spawn(
			"/usr/bin/python3",
			["-W", "ignore", "serve.py", `/usr/bin/swift-${kind}-server`, join(etc, `${kind}.conf`)],
			{ cwd: folder, stdio: "ignore" },
		),
	);
	const ended = Promise.all(
		children.map((child) => new Promise<void>((resolve) => child.once("close", () => resolve()))),
	);
	const stop = async (): Promise<void> => {
		for (const child of children) child.kill("SIGKILL");
		await ended;
	};
	try {
		await Promise.race([
			Promise.all([...ports, port].map(answers)),
			ended.then(() => Promise.reject(new Error("Swift's servers ended at once"))),
		]);
	} catch (error) {
		await stop();
		throw error;
	}
	return { port, stop };
}

/** Resolves when something listens there. Nothing tells when a server of Swift's is ready, so it is asked. */
async function answers(port: number): Promise<void> {
	for (const deadline = Date.now() + 60_000; ; ) {
		const there = await new Promise<boolean>((resolve) => {
			const socket = connect(port, "127.0.0.1", () => resolve(true));
			socket.once("error", () => resolve(false));
			socket.once("close", () => socket.destroy());
			socket.once("connect", () => socket.end());
		});
		if (there) return;
		if (Date.now() > deadline) throw new Error(`nothing listens on port ${port}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
