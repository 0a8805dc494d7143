import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
	readonly cert: string;
	readonly key: string;
}

/** A certificate for localhost that is valid between two times (YYYYMMDDHHMMSSZ), signed by itself. */
export function makeCertificate(folder: string, from: string, to: string): Certificate {
	mkdirSync(folder, { recursive: true });
	const file = (name: string): string => join(folder, name);
	writeFileSync(file("index.txt"), "");
	writeFileSync(file("serial"), "01\n");
	writeFileSync(
		file("config"),
		`[ca]
default_ca = c
[c]
database = ${file("index.txt")}
serial = ${file("serial")}
new_certs_dir = ${folder}
default_md = sha256
policy = p
x509_extensions = x
[p]
commonName = supplied
[x]
subjectAltName = DNS:localhost,IP:127.0.0.1
basicConstraints = CA:TRUE
[req]
distinguished_name = dn
[dn]
`,
	);
	const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "pipe" });
	const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"];
	openssl("req", "-new", ...curve, "-keyout", file("key"), "-out", file("request"), "-config", file("config"));
	const sign = ["-batch", "-selfsign", "-notext", "-startdate", from, "-enddate", to];
	openssl(
		"ca",
		...sign,
		"-config",
		file("config"),
		"-keyfile",
		file("key"),
		"-in",
		file("request"),
		"-out",
		file("cert"),
	);
	return { cert: file("cert"), key: file("key") };
}
