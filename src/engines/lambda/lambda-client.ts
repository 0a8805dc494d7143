/** What gg uses of the SDK; bundled apart, because hardly a start of gg needs it (scripts/bundle.mjs). */
export {
	CreateFunctionCommand,
	DeleteFunctionCommand,
	GetFunctionConfigurationCommand,
	InvokeCommand,
	LambdaClient,
	PutFunctionConcurrencyCommand,
	Runtime,
	UpdateFunctionCodeCommand,
	UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
