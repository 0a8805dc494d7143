/** AWS Lambda's part in a comparison, by what can be had: `same.js --server lambda` and `--server serverless`. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jailed } from "../test/rig/lambda-jail.js";
import { startLambdaService } from "../test/rig/lambda-service.js";
import { freePort } from "../test/rig/servers.js";
import { S3_KEY, S3_SECRET, startRedis, startS3 } from "../test/rig/storage-servers.js";
import { BenchError } from "./run.js";
import { BENCH_DIR } from "./workspace.js";

/** How gg is told to use it. */
export interface RemoteBuilds {
	/** Options of `gg build`. */
	readonly options: string;
	readonly env: Readonly<Record<string, string>>;
	stop(): Promise<void>;
}

const BUNDLE = join(import.meta.dirname, "../../dist/lambda.js");
const AWS = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1" };
const TMP_MB = 512;

/** The function in Debian 11 without a compiler, as an ordinary user with 512 MB of /tmp, and Redis between. */
export async function startJailedLambda(folder: string): Promise<RemoteBuilds> {
	const redis = await startRedis(folder, ["requirepass pa55"]);
	const uri = `redis://default:pa55@127.0.0.1:${redis.port}`;
	const instances = join(folder, "instances");
	mkdirSync(instances);
	const service = await startLambdaService({
		folder: instances,
		bundle: BUNDLE,
		env: { GG_STORAGE_URI: uri, PATH: "/bin" },
		most: 2,
		start: jailed({ root: oldDebian(), bundle: BUNDLE, megabytes: TMP_MB }),
	});
	return {
		options: `--engine 'lambda=us-east-1?endpoint=${service.endpoint}'`,
		env: { ...AWS, GG_STORAGE_URI: uri },
		async stop() {
			await service.stop();
			await redis.stop();
		},
	};
}

/** A Debian that is older than the compilers here; made once. */
function oldDebian(): string {
	const root = join(BENCH_DIR, "debian-11");
	if (existsSync(root)) return root;
	console.error("first use: fetching Debian 11 (debootstrap) ...");
	const fresh = `${root}.new`;
	rmSync(fresh, { recursive: true, force: true });
	try {
		execFileSync("debootstrap", ["--variant=minbase", "--include=libstdc++6", "bullseye", fresh], { stdio: "ignore" });
	} catch {
		throw new BenchError("Debian 11 cannot be fetched: debootstrap (of Debian's package) must run as root");
	}
	renameSync(fresh, root);
	return root;
}

const SERVERLESS = `service: gg
provider:
  name: aws
  runtime: nodejs20.x
  region: us-east-1
  memorySize: 2048
  timeout: 300
  environment:
    GG_STORAGE_URI: \${env:GG_STORAGE_URI}
plugins:
  - serverless-offline
functions:
  gg-lambda-function:
    name: gg-lambda-function
    handler: index.handler
`;

/** The function in serverless-offline, which speaks AWS Lambda's API, and an S3 service that checks signatures. */
export async function startServerless(folder: string): Promise<RemoteBuilds> {
	const home = join(BENCH_DIR, "serverless");
	if (!existsSync(join(home, "node_modules/serverless-offline"))) {
		console.error("first use: installing serverless-offline (npm) ...");
		mkdirSync(home, { recursive: true });
		writeFileSync(join(home, "package.json"), '{"private":true}\n');
		const packages = ["serverless@3.40.0", "serverless-offline@13.9.0"];
		execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...packages], { cwd: home });
	}
	const s3 = await startS3(folder);
	const { CreateBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
	const endpoint = `http://127.0.0.1:${s3.port}`;
	const client = new S3Client({
		region: "us-east-1",
		endpoint,
		forcePathStyle: true,
		credentials: { accessKeyId: S3_KEY, secretAccessKey: S3_SECRET },
		maxAttempts: 20,
	});
	await client.send(new CreateBucketCommand({ Bucket: "ggbucket" }));
	client.destroy();
	const key = [S3_KEY, S3_SECRET].map(encodeURIComponent).join(":");
	const uri = `s3://${key}@ggbucket/?region=us-east-1&endpoint=${endpoint}`;
	writeFileSync(join(home, "serverless.yml"), SERVERLESS);
	execFileSync("cp", [BUNDLE, join(home, "index.js")]);
	const [http, lambda] = [await freePort(), await freePort()];
	const ports = ["--httpPort", String(http), "--lambdaPort", String(lambda), "--host", "127.0.0.1", "--noTimeout"];
	const child = spawn(process.execPath, ["node_modules/serverless/bin/serverless.js", "offline", "start", ...ports], {
		cwd: home,
		env: {
			...process.env,
			...AWS,
			GG_STORAGE_URI: uri,
			SLS_TELEMETRY_DISABLED: "1",
			SLS_NOTIFICATIONS_MODE: "off",
			CI: "1",
		},
		stdio: ["ignore", "pipe", "pipe"],
	});
	let said = "";
	await new Promise<void>((resolve, reject) => {
		const hear = (chunk: Buffer): void => {
			said += chunk.toString();
			if (/Server ready|listening on/i.test(said)) resolve();
		};
		child.stdout.on("data", hear);
		child.stderr.on("data", hear);
		child.once("exit", (status) => reject(new BenchError(`serverless-offline ended with ${status}: ${said}`)));
	});
	return {
		options: `--engine 'lambda=us-east-1?endpoint=http://127.0.0.1:${lambda}'`,
		env: { ...AWS, GG_STORAGE_URI: uri },
		async stop() {
			child.removeAllListeners("exit");
			child.kill("SIGKILL");
			await s3.stop();
		},
	};
}
