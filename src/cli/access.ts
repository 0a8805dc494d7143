import type { Access } from "../engines/stored.js";

/** Names of pull requests in what runs builds for them. */
const PULL_REQUEST = [
	"GITHUB_HEAD_REF",
	"CI_MERGE_REQUEST_IID",
	"CHANGE_ID",
	"CIRCLE_PULL_REQUEST",
	"SYSTEM_PULLREQUEST_PULLREQUESTID",
	"DRONE_PULL_REQUEST",
	"BUILDKITE_PULL_REQUEST",
	"TRAVIS_PULL_REQUEST",
	"BITBUCKET_PR_ID",
	"CIRRUS_PR",
];

/** A pull request runs what somebody else wrote: what it comes to must not get to those who trust the cache. */
export function defaultAccess(env: NodeJS.ProcessEnv): Access {
	return PULL_REQUEST.some((name) => !/^(?:|false|0)$/.test(env[name] ?? "")) ? "read-only" : "read-write";
}
