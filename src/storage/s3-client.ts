/** What gg uses of the SDK; bundled apart, because hardly a start of gg needs it (scripts/bundle.mjs). */
export {
	GetObjectCommand,
	type GetObjectCommandOutput,
	HeadObjectCommand,
	PutObjectCommand,
	S3Client,
} from "@aws-sdk/client-s3";
