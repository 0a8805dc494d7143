import type { Output } from "../thunk/types.js";

/** As tools do it most often: what stands beside an output is written before it, and main outputs come in their order. */
function usual<T extends Pick<Output, "tag">>(outputs: readonly T[]): T[] {
	const isMain = ({ tag }: T): boolean => tag.startsWith("output");
	return [...outputs.filter((output) => !isMain(output)).reverse(), ...outputs.filter(isMain)];
}

/** Notes the order in which a command wrote its outputs, told by their times; within one tick of the clock it is the usual one. */
export function noteOrder(outputs: readonly (Output & { readonly mtimeNs: bigint })[]): Output[] {
	const ordered = usual(outputs).sort((a, b) => (a.mtimeNs < b.mtimeNs ? -1 : a.mtimeNs > b.mtimeNs ? 1 : 0));
	return outputs.map((output) => {
		const { tag, hash, mode } = output;
		return outputs.length < 2 ? { tag, hash, mode } : { tag, hash, mode, rank: ordered.indexOf(output) + 1 };
	});
}

/** In the order in which to put them into a tree: make compares a main output with what was written beside it. */
export function inWrittenOrder(outputs: readonly Output[]): Output[] {
	if (outputs.some(({ rank }) => rank === undefined)) return usual(outputs);
	return [...outputs].sort((a, b) => a.rank! - b.rank!);
}
