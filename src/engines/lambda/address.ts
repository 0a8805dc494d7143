import { err, type Failure, ok, type Result } from "../../util/result.js";

/** Which function is invoked, and where. */
export interface LambdaAddress {
	/** Empty: as the environment or the profile says. */
	readonly region: string;
	readonly name: string;
	/** Of a service that is not Amazon's; empty for Amazon's own. */
	readonly endpoint: string;
}

/** As the original calls it. */
export const DEFAULT_FUNCTION = "gg-lambda-function";
export const LAMBDA_FORM = "lambda[=[REGION][?function=NAME&endpoint=URL]]";

/** Reads what follows `lambda=`: `eu-west-1?function=gg-big`. */
export function parseLambda(text: string): Result<LambdaAddress, Failure<"bad-endpoint">> {
	const bad = (message: string) =>
		err({ reason: "bad-endpoint" as const, message, hint: `the form is ${LAMBDA_FORM}` });
	const [region = "", query = ""] = split(text);
	if (!/^(?:|[a-z]{2,4}(?:-[a-z]+)+-\d{1,2})$/.test(region)) return bad(`"${region}" is no name of a region`);
	const settings = new URLSearchParams(query);
	const unknown = [...settings.keys()].find((key) => key !== "function" && key !== "endpoint");
	if (unknown !== undefined) return bad(`the engine lambda has no setting "${unknown}"`);
	const name = settings.get("function") ?? DEFAULT_FUNCTION;
	if (!/^[A-Za-z0-9_-]{1,64}(?::[A-Za-z0-9$_-]{1,128})?$/.test(name)) return bad(`"${name}" is no name of a function`);
	const endpoint = settings.get("endpoint") ?? "";
	if (endpoint !== "" && !/^https?:\/\/[^/@\s]+\/?$/.test(endpoint)) return bad("the endpoint is no URL of a server");
	return ok({ region, name, endpoint });
}

function split(text: string): [string, string] {
	const mark = text.indexOf("?");
	return mark < 0 ? [text, ""] : [text.slice(0, mark), text.slice(mark + 1)];
}
