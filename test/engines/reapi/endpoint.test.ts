import { strict as assert } from "node:assert";
import { type Endpoint, parseEndpoint } from "../../../src/engines/reapi/endpoint.js";

function good(text: string, env: NodeJS.ProcessEnv = {}): Endpoint {
	const parsed = parseEndpoint(text, env);
	assert.ok(parsed.ok, parsed.ok ? "" : parsed.error.message);
	return parsed.value;
}

function bad(text: string, env: NodeJS.ProcessEnv = {}): string {
	const parsed = parseEndpoint(text, env);
	assert.ok(!parsed.ok, text);
	assert.equal(parsed.error.reason, "bad-endpoint");
	return parsed.error.message;
}

describe("an endpoint", () => {
	it("has host, port and instance", () => {
		assert.deepEqual(good("grpc://host:1/a/b"), {
			target: "host:1",
			instance: "a/b",
			tls: undefined,
			tokenFile: "",
			token: "",
			access: undefined,
			credentialHelper: "",
			platform: [],
			priority: 0,
			deadline: 1800,
			compression: "zstd",
		});
	});

	it("is HOST:PORT alone as for the original's remote engine", () => {
		assert.equal(good("127.0.0.1:8980").target, "127.0.0.1:8980");
	});

	it("has the usual port of its scheme", () => {
		assert.equal(good("grpcs://host").target, "host:443");
		assert.equal(good("grpc://host").target, "host:80");
		assert.equal(good("grpc://[::1]:9").target, "[::1]:9");
	});

	it("takes certificates, token and the rest from its parameters", () => {
		const e = good(
			"grpcs://h:1?ca=/a&cert=/b&key=/c&server-name=n&token-file=/t&priority=-3&deadline=5&platform.b=2&platform.a=1",
		);
		assert.deepEqual(e.tls, { ca: "/a", cert: "/b", key: "/c", serverName: "n" });
		assert.deepEqual([e.tokenFile, e.priority, e.deadline], ["/t", -3, 5]);
		assert.deepEqual(e.platform, [
			{ name: "a", value: "1" },
			{ name: "b", value: "2" },
		]);
	});

	it("takes files from the environment where the parameters name none", () => {
		const env = { GG_REAPI_TOKEN_FILE: "/t", GG_REAPI_CA: "/ca" };
		assert.equal(good("grpcs://h:1", env).tokenFile, "/t");
		assert.equal(good("grpcs://h:1?token-file=/u", env).tokenFile, "/u");
		assert.equal(good("grpcs://h:1", env).tls?.ca, "/ca");
	});

	it("takes a token itself from the environment alone, unless a file is named", () => {
		assert.equal(good("grpcs://h:1", { GG_REAPI_TOKEN: "secret" }).token, "secret");
		assert.equal(good("grpcs://h:1?token-file=/t", { GG_REAPI_TOKEN: "secret" }).token, "");
		assert.match(bad("grpcs://h:1?token=secret"), /unknown parameter "token"/);
		assert.ok(!bad("grpc://h:1", { GG_REAPI_TOKEN: "secret" }).includes("secret"));
		assert.ok(!bad("grpcs://h:1", { GG_REAPI_TOKEN: "sec\nret" }).includes("sec"));
	});

	it("sends no token in clear text but to this machine", () => {
		assert.match(bad("grpc://host:1?token-file=/t"), /clear text/);
		assert.equal(good("grpc://127.0.0.1:1?token-file=/t").tokenFile, "/t");
	});

	it("says what is wrong, and never a password", () => {
		assert.match(bad(""), /wants the address/);
		assert.match(bad("http://h:1"), /begins with grpc:\/\/ or grpcs:\/\//);
		assert.match(bad("grpc://h:99999999"), /not a URL/);
		const secret = bad("grpc://user:hunter2@h:1");
		assert.match(secret, /token-file=/);
		assert.ok(!secret.includes("hunter2"));
		assert.match(bad("grpc://h:1?plattform.a=1"), /unknown parameter "plattform\.a"/);
		assert.match(bad("grpc://h:1?deadline=0"), /deadline/);
		assert.match(bad("grpc://h:1?compression=brotli"), /takes zstd or none/);
		assert.match(bad("grpc://h:1?priority=high"), /priority/);
		assert.match(bad("grpcs://h:1?cert=/c"), /both cert= and key=/);
	});
});
