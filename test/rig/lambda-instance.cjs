// One instance of the function: takes an event at a time from its parent, as the service's runtime does.
const { handler } = require(process.argv[2]);
process.on("message", ({ event, deadline }) => {
	handler(event, { getRemainingTimeInMillis: () => deadline - Date.now() }).then(
		(reply) => process.send({ reply }),
		(error) => process.send({ error: { errorType: error.name, errorMessage: error.message } }),
	);
});
process.on("disconnect", () => process.exit());
