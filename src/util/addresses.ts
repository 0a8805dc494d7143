/** True for a host that only this machine reaches. */
export function isLoopback(host: string): boolean {
	return host === "localhost" || host === "[::1]" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
