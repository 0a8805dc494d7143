/** What gg uses of the Redis client; bundled apart, because hardly a start of gg needs it (scripts/bundle.mjs). */
export { createClient, RESP_TYPES } from "@redis/client";
