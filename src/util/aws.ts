const QUIET = "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED";

/** Without the SDK's word on which Node.js its later versions will want: the one that gg has is pinned. */
export function withoutAdvice<T>(make: () => T): T {
	const before = process.env[QUIET];
	process.env[QUIET] = "true";
	try {
		return make();
	} finally {
		if (before === undefined) Reflect.deleteProperty(process.env, QUIET);
		else process.env[QUIET] = before;
	}
}
