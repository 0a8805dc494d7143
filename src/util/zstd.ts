import type { Transform } from "node:stream";
import { promisify } from "node:util";
import * as zlib from "node:zlib";

/** zstd as Node.js 22.15 and newer have it. */
export interface Zstd {
	compress(data: Buffer): Promise<Buffer>;
	/** A stream of the same bytes, compressed or not. */
	compressor(): Transform;
	decompressor(): Transform;
}

interface ZstdOfNode {
	readonly zstdCompress?: (data: Buffer, done: (error: Error | null, result: Buffer) => void) => void;
	readonly createZstdCompress?: () => Transform;
	readonly createZstdDecompress?: () => Transform;
}

function zstdOf({ zstdCompress, createZstdCompress, createZstdDecompress }: ZstdOfNode): Zstd | undefined {
	if (zstdCompress === undefined || createZstdCompress === undefined || createZstdDecompress === undefined)
		return undefined;
	return {
		compress: promisify(zstdCompress),
		compressor: createZstdCompress,
		decompressor: createZstdDecompress,
	};
}

/** Undefined where Node.js has none. */
export const zstd: Zstd | undefined = zstdOf(zlib as ZstdOfNode);
