/**
 * US dollars, of us-east-1 without free tier, as AWS publishes them (aws.amazon.com/lambda/pricing, and
 * aws.amazon.com/s3/pricing for the standard class). Other regions differ by some per cent.
 */
export const PRICES = {
	asOf: "2026-05",
	/** For a GB (1024 MB) of memory for a second. */
	gbSecond: { x64: 0.0000166667, arm64: 0.0000133334 },
	invocation: 0.2 / 1e6,
	/** Requests to S3; a HEAD costs what a GET costs. */
	put: 5 / 1e6,
	get: 0.4 / 1e6,
} as const;

/** What a run has used of the services. */
export interface Usage {
	invocations: number;
	billedMs: number;
	puts: number;
	gets: number;
}

export interface Function {
	readonly memoryMb: number;
	readonly arch: string;
}

/** US dollars. */
export function costOf(usage: Usage, { memoryMb, arch }: Function): number {
	const gbSeconds = (usage.billedMs / 1000) * (memoryMb / 1024);
	const price = arch === "arm64" ? PRICES.gbSecond.arm64 : PRICES.gbSecond.x64;
	return gbSeconds * price + usage.invocations * PRICES.invocation + usage.puts * PRICES.put + usage.gets * PRICES.get;
}
