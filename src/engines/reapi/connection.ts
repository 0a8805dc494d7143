/** What a connection that failed is called, and what to do about it. */
export interface ConnectionProblem {
	readonly message: string;
	readonly hint: string;
}

const ADDRESS = "check the address, and that the server is up";
const BROKEN_OFF = "disconnected before secure TLS connection";
const CLOCKS = "check the clock of this machine";

/** What Node, OpenSSL and grpc-js say, and what it means; the first that fits counts. `$1` is the first group. */
const PROBLEMS: readonly (readonly [said: RegExp, message: string, hint: string])[] = [
	[
		/certificate has expired/,
		"its certificate has expired",
		`have it renewed (\`gg worker --init\` does), or ${CLOCKS}`,
	],
	[/certificate is not yet valid/, "its certificate is not valid yet", `${CLOCKS}, and the server's`],
	[
		/does not match certificate's altnames: .*?altnames: (.*?)(?:\. Resolution note|$)/,
		"its certificate is for other names: $1",
		"use one of these names, or give the one to be checked: server-name=NAME",
	],
	[
		/(self-signed certificate(?: in certificate chain)?|unable to (?:get (?:local )?issuer certificate|verify the first certificate))/,
		"its certificate is from nobody who is believed here ($1)",
		"name the certificate of its authority, or its own: ca=FILE",
	],
	[
		/alert protocol version|unsupported protocol/,
		"it speaks no TLS from version 1.2 up, and older ones are not safe",
		"have the server's TLS brought up to date",
	],
	[
		/alert certificate (?:expired|revoked)/,
		"it says that this client's certificate has expired, or was revoked",
		"have it renewed (cert=FILE and key=FILE), or check the server's clock",
	],
	[
		/alert (?:handshake failure|certificate required|certificate unknown|(?:bad|unsupported) certificate|unknown ca|access denied)/,
		"it refuses this client's certificate, or wants one",
		"name one that it knows: cert=FILE and key=FILE",
	],
	[
		/disconnected before secure TLS connection/,
		"it broke off when TLS had begun; it may refuse this client's certificate",
		"name a certificate that it knows, and that has not expired: cert=FILE and key=FILE",
	],
	[
		/wrong version number|packet length too long/,
		"it does not speak TLS",
		"use grpc://, if nobody else can read the line; or check the port",
	],
	[/alert no application protocol/, "it speaks TLS, and is no gRPC server", ADDRESS],
	[/ECONNREFUSED/, "nothing listens there", ADDRESS],
	[/Name resolution failed|ENOTFOUND|EAI_AGAIN/, "its host name is not known", ADDRESS],
	[/(EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)/, "there is no way to it ($1)", ADDRESS],
	[
		/Protocol error|Failed to connect|Parse Error/,
		"something answers there that does not speak gRPC, or wants TLS",
		"check the port, and whether it is to be grpcs://",
	],
];

/** Undefined for what is not known to be the connection's fault. `said` is what grpc-js says of it; `secure`: TLS was asked for. */
export function connectionProblem(said: string, secure: boolean): ConnectionProblem | undefined {
	// A server may look at a client's certificate after its own part of TLS is done.
	if (secure && /Last error: Failed to connect/.test(said)) return connectionProblem(BROKEN_OFF, secure);
	for (const [pattern, message, hint] of PROBLEMS) {
		const match = pattern.exec(said);
		if (match !== null) return { message: message.replace("$1", match[1] ?? ""), hint };
	}
	return undefined;
}
